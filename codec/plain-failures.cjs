/**
 * Temporal's messages hold texts in UTF-8, which has no half of a surrogate pair. One such half in a failure would end
 * the worker that sends it, and again each worker after it: here it becomes U+FFFD, wherever the text came from.
 *
 * CommonJS, because Temporal loads it with `require`, also from source; in the bundle of workflows too, so it may use
 * nothing but Temporal's own.
 */
const { DefaultFailureConverter } = require('@temporalio/common')

class WellFormedFailures extends DefaultFailureConverter {
  /** Called for each cause as well. */
  errorToFailure(error, payloadConverter, context) {
    const failure = super.errorToFailure(error, payloadConverter, context)
    const { message, stackTrace, applicationFailureInfo } = failure
    const texts = [message, stackTrace, applicationFailureInfo?.type]
    if (texts.every((text) => wellFormed(text) === text)) return failure
    return {
      ...failure,
      message: wellFormed(message),
      stackTrace: wellFormed(stackTrace),
      ...(applicationFailureInfo && {
        applicationFailureInfo: { ...applicationFailureInfo, type: wellFormed(applicationFailureInfo.type) },
      }),
    }
  }
}

function wellFormed(text) {
  return typeof text === 'string' ? text.toWellFormed() : text
}

exports.WellFormedFailures = WellFormedFailures
exports.failureConverter = new WellFormedFailures()
