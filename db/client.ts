/** The connection that pools of ours are made of. */
import pg from 'pg'

/**
 * A connection that breaks says so twice: to whoever waits for an answer, and to listeners; without one it would end the
 * process. A pool listens to idle connections only, and whoever gets one begins to listen a turn later: a server that is
 * told to stop may say its goodbye in between. So there is a listener as long as there is a connection. That it broke is
 * told by the next statement, and such a connection does not go back to its pool.
 */
export class ListeningClient extends pg.Client {
  constructor(config?: pg.ClientConfig) {
    super(config)
    this.on('error', () => undefined)
  }
}
