/**
 * A server of TLS 1.3 that updates its keys without end: no library has a word for that. It knows one cipher and one curve,
 * and reads nothing of what the other side says after its hello, but counts its records. Given as JSON: `cert` and `key`;
 * `asksBack`: whether the other side has to update its own, too; `isDatabase`: whether it is asked for TLS first, as
 * PostgreSQL is; `welcome`: in base64, what it answers to the first request, before it begins.
 */
import * as crypto from 'node:crypto'
import { createServer } from 'node:net'

const { cert, key, asksBack, isDatabase, welcome } = JSON.parse(process.argv[2])
const HANDSHAKE = 22
const DATA = 23
const X25519 = Buffer.from('001d', 'hex')
const SPKI_OF_X25519 = Buffer.from('302a300506032b656e032100', 'hex')
const CERTIFICATE = new crypto.X509Certificate(cert).raw
const KEY = crypto.createPrivateKey(key)
const NOTHING = Buffer.alloc(0)
const ZEROS = Buffer.alloc(32)

const hash = (...bytes) => crypto.createHash('sha256').update(Buffer.concat(bytes)).digest()
const mac = (secret, bytes) => crypto.createHmac('sha256', secret).update(bytes).digest()

/** With as many bytes for its length. */
function sized(lengthBytes, ...parts) {
  const content = Buffer.concat(parts)
  const head = Buffer.alloc(lengthBytes)
  head.writeUIntBE(content.length, 0, lengthBytes)
  return Buffer.concat([head, content])
}

const message = (type, ...parts) => Buffer.concat([Buffer.from([type]), sized(3, ...parts)])
const extension = (id, ...parts) => Buffer.concat([Buffer.from(id, 'hex'), sized(2, ...parts)])

/** Of at most 32 bytes, which is one round of HKDF. */
function expand(secret, label, context, bytes = 32) {
  const length = Buffer.from([0, bytes])
  const info = [length, sized(1, Buffer.from(`tls13 ${label}`)), sized(1, context), Buffer.from([1])]
  return mac(secret, Buffer.concat(info)).subarray(0, bytes)
}

/** Of what is sent under one secret. */
function sender(secret) {
  const ofCipher = expand(secret, 'key', NOTHING, 16)
  const iv = expand(secret, 'iv', NOTHING, 12)
  let number = 0
  return (type, content) => {
    const nonce = Buffer.from(iv)
    nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ number++) >>> 0, 8)
    const head = Buffer.from([DATA, 3, 3, 0, 0])
    head.writeUInt16BE(content.length + 17, 3)
    const cipher = crypto.createCipheriv('aes-128-gcm', ofCipher, nonce).setAAD(head)
    return Buffer.concat([
      head,
      cipher.update(Buffer.concat([content, Buffer.from([type])])),
      cipher.final(),
      cipher.getAuthTag(),
    ])
  }
}

/** The session id, which goes back, and the key of a hello. */
function read(hello) {
  const idEnd = 39 + hello[38]
  const share = hello.indexOf(Buffer.concat([X25519, Buffer.from([0, 32])]))
  return { id: hello.subarray(39, idEnd), publicKey: hello.subarray(share + 4, share + 36) }
}

/** Answers a hello; gives what is sent after that is read. */
function answer(socket, hello) {
  const { id, publicKey } = read(hello)
  const own = crypto.generateKeyPairSync('x25519')
  const shared = crypto.diffieHellman({
    privateKey: own.privateKey,
    publicKey: crypto.createPublicKey({
      key: Buffer.concat([SPKI_OF_X25519, publicKey]),
      format: 'der',
      type: 'spki',
    }),
  })
  const ownPublic = own.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32)
  const extensions = [
    extension('002b', Buffer.from('0304', 'hex')),
    extension('0033', X25519, sized(2, ownPublic)),
  ]
  const cipherAndNoPacking = Buffer.from('130100', 'hex')
  const serverHello = message(
    2,
    Buffer.from('0303', 'hex'),
    crypto.randomBytes(32),
    sized(1, id),
    cipherAndNoPacking,
    sized(2, ...extensions),
  )
  const said = [hello, serverHello]
  const secret = mac(expand(mac(ZEROS, ZEROS), 'derived', hash()), shared)
  const ofHandshake = expand(secret, 's hs traffic', hash(...said))
  said.push(message(8, sized(2)), message(11, sized(1), sized(3, sized(3, CERTIFICATE), sized(2))))
  const signed = Buffer.concat([
    Buffer.alloc(64, ' '),
    Buffer.from('TLS 1.3, server CertificateVerify\0'),
    hash(...said),
  ])
  said.push(message(15, Buffer.from('0403', 'hex'), sized(2, crypto.sign('sha256', signed, KEY))))
  said.push(message(20, mac(expand(ofHandshake, 'finished', NOTHING), hash(...said))))
  const inHandshake = sender(ofHandshake)
  socket.write(Buffer.concat([Buffer.from([HANDSHAKE, 3, 3]), sized(2, serverHello)]))
  for (const part of said.slice(2)) socket.write(inHandshake(HANDSHAKE, part))
  return expand(mac(expand(secret, 'derived', hash()), ZEROS), 's ap traffic', hash(...said))
}

function flood(socket, first) {
  let secret = first
  if (welcome) {
    // Under the same secret as the first update: so both are of one sender.
    const send = sender(secret)
    socket.write(send(DATA, Buffer.from(welcome, 'base64')))
    socket.write(send(HANDSHAKE, message(24, Buffer.from([asksBack ? 1 : 0]))))
    secret = expand(secret, 'traffic upd', NOTHING)
  }
  const more = () => {
    const updates = []
    for (let n = 0; n < 500; n++) {
      updates.push(sender(secret)(HANDSHAKE, message(24, Buffer.from([asksBack ? 1 : 0]))))
      secret = expand(secret, 'traffic upd', NOTHING)
    }
    if (!socket.writable) return
    if (socket.write(Buffer.concat(updates))) setImmediate(more)
    else socket.once('drain', more)
  }
  more()
}

// It does not end when the other side does.
const server = createServer({ allowHalfOpen: true }, (socket) => {
  let bytes = NOTHING
  let secret
  let records = 0
  socket.on('error', () => undefined)
  if (isDatabase) socket.once('data', () => socket.write('S', () => socket.on('data', take)))
  else socket.on('data', take)
  function take(chunk) {
    bytes = Buffer.concat([bytes, chunk])
    while (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt16BE(3)) {
      const record = bytes.subarray(0, 5 + bytes.readUInt16BE(3))
      bytes = bytes.subarray(record.length)
      if (secret === undefined) secret = answer(socket, record.subarray(5))
      // The first one says that its handshake is done.
      else if (record[0] === DATA && ++records === 2) flood(socket, secret)
    }
  }
}).listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`))
