/**
 * `work`, or an error once nothing is left that could ever bring it to its end: Node would then leave without a word,
 * with exit code 13. Whatever a command waits for, this settles.
 */
export async function settled<T>(work: Promise<T>): Promise<T> {
  let idle: (() => void) | undefined
  const never = new Promise<never>((_, reject) => {
    // Emitted when the event loop is empty (node:process, 'beforeExit').
    idle = () => reject(new Error('what the command waits for can no longer come'))
    process.once('beforeExit', idle)
  })
  try {
    return await Promise.race([work, never])
  } finally {
    if (idle !== undefined) process.off('beforeExit', idle)
  }
}
