/** Fingerprints and digests in text that only reminds of them. Where one is approved or compared, it is printed whole. */

const SHOWN = 12
const WHOLE = /\b(sha256:[0-9a-f]{12})[0-9a-f]{52}\b/g

export const short = (digest: string): string => digest.slice(0, 'sha256:'.length + SHOWN)

/** Shortens every whole fingerprint in a text. */
export const shortened = (text: string): string => text.replace(WHOLE, '$1…')
