/**
 * How often a property test tries its law. `npm test` has to be quick, so the numbers in the tests are small, and each run has a new seed.
 * `npm run e2e -- --all` sets ENTENTE_RUNS, a factor, and tries each law that many times as often.
 */
const FACTOR = Number(process.env.ENTENTE_RUNS ?? '1')

export const runs = (times: number): { readonly numRuns: number } => ({ numRuns: Math.ceil(times * FACTOR) })
