/**
 * Settles with `work`, or with an error if nothing is left that could ever finish it. Without this, Node would exit
 * silently with code 13.
 */
export async function settled<T>(work: Promise<T>): Promise<T> {
  let idle: (() => void) | undefined
  const never = new Promise<never>((_, reject) => {
    // Emitted when the event loop is empty (node:process, 'beforeExit').
    idle = () => reject(new Error('the command waits for an event that can no longer happen'))
    process.once('beforeExit', idle)
  })
  try {
    return await Promise.race([work, never])
  } finally {
    if (idle !== undefined) process.off('beforeExit', idle)
  }
}
