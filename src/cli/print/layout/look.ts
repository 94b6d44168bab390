/** How text for people looks on this console. */
export interface Look {
  readonly color?: boolean
  /** The width of the terminal; absent in a pipe or a file. */
  readonly columns?: number
  /** Print each finding, and fingerprints in full. */
  readonly verbose?: boolean
}
