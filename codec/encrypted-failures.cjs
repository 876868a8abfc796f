/** With encryption, texts of failures are values like any other. CommonJS for the same reason as what it extends. */
const { WellFormedFailures } = require('./plain-failures.cjs')

exports.failureConverter = new WellFormedFailures({ encodeCommonAttributes: true })
