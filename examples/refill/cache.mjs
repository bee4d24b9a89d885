// Fill a cache so that a purge is not undone by a reader who was slow. Needs npm's `redis`.
import { readFileSync } from 'node:fs'

const FILL = readFileSync(new URL('../../lua/fill.lua', import.meta.url), 'utf8')

// Where Purgeway puts the marker of a key: in the key's slot of a cluster.
export const marker = key =>
  /^[^{]*\{[^}]+\}/.test(key) ? `purgeway:hold:${key}` : `purgeway:hold:{${key}}`

// The value from the cache, or from load(), which gives { value, version }; version may be left out.
export async function cached(client, key, load, ttlMs = 60000, interimMs = 1000) {
  const kept = await client.get(key)
  if (kept !== null) return kept
  const { value, version = '' } = await load()
  await client.eval(FILL, {
    keys: [key, marker(key)],
    arguments: [value, String(ttlMs), String(version), String(interimMs)],
  })
  return value
}
