/**
 * CommonJS, because Temporal loads it with `require`, also from source; in the bundle of workflows too, so it may use
 * nothing but Temporal's own.
 */
const { DefaultFailureConverter } = require('@temporalio/common')

exports.failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true })
