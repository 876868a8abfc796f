/**
 * Makes `date.constructor === Date` hold inside Temporal's workflow sandbox, where the global `Date` is a wrapper that
 * shares the prototype of the real one. cel-js tells timestamps by their constructor and refuses them otherwise.
 * Must be evaluated before cel-js; outside the sandbox it changes nothing.
 */
Object.defineProperty(Date.prototype, 'constructor', { value: Date, configurable: true, writable: true })
