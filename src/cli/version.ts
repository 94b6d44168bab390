/** Written by scripts/version.ts from package.json. */
export const VERSION = '0.1.0'
