/** Addresses that lead inside: this machine, its networks, those of its cloud, and those that carry such a one within. */
import { BlockList, isIP, isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'

export function isPrivateAddress(address: string): boolean {
  return listed(PRIVATE, address) || isOwn(address) || carriesIpv4(address)
}

export function listed(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

/** IPv4 in IPv6 notation (::ffff:a.b.c.d) is checked against the IPv4 ranges by BlockList itself. */
const PRIVATE = blockList({
  ipv4: [
    '0.0.0.0/8',
    '10.0.0.0/8',
    '100.64.0.0/10',
    '127.0.0.0/8',
    // Where a machine of Azure finds its secrets; public by its number only.
    '168.63.129.16/32',
    '169.254.0.0/16',
    '172.16.0.0/12',
    '192.0.0.0/24',
    '192.0.2.0/24',
    '192.88.99.0/24',
    '192.168.0.0/16',
    '198.18.0.0/15',
    '198.51.100.0/24',
    '203.0.113.0/24',
    '224.0.0.0/4',
    '240.0.0.0/4',
  ],
  // Also the ranges that carry an IPv4 address inside (translated, NAT64, Teredo, 6to4): they lead to private ones.
  ipv6: [
    '::/96',
    '::ffff:0:0:0/96',
    '64:ff9b::/96',
    '64:ff9b:1::/48',
    '100::/64',
    '2001::/23',
    '2001:db8::/32',
    '2002::/16',
    '3fff::/20',
    '5f00::/16',
    'fc00::/7',
    'fe80::/10',
    'fec0::/10',
    'ff00::/8',
  ],
})

/** Behind a public address of this machine the same services listen as behind 127.0.0.1. */
function isOwn(address: string): boolean {
  return Object.values(networkInterfaces()).some((own) => own?.some((one) => one.address === address))
}

/** ISATAP (RFC 5214): under any network, the IPv4 address follows `5efe`. */
function carriesIpv4(address: string): boolean {
  if (!isIPv6(address)) return false
  const { hostname } = new URL(`http://[${address.split('%', 1)[0]}]/`)
  return /:(?:0|200)?:?5efe:[0-9a-f]{1,4}:[0-9a-f]{1,4}\]$/.test(hostname)
}

export function blockList(ranges: { ipv4?: readonly string[]; ipv6?: readonly string[] }): BlockList {
  const list = new BlockList()
  for (const family of ['ipv4', 'ipv6'] as const) {
    for (const range of ranges[family] ?? []) {
      const [network = '', prefix] = range.split('/')
      list.addSubnet(network, Number(prefix), family)
    }
  }
  return list
}
