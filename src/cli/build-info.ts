/** Where this build comes from. */
declare const ENTENTE_COMMIT: string | undefined

/** The commit of a release, which scripts/release.ts writes into the bundle; undefined in a checkout. */
export const COMMIT: string | undefined = typeof ENTENTE_COMMIT === 'string' ? ENTENTE_COMMIT : undefined
