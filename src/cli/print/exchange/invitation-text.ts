/** The numbers that two owners read out to each other. */
import type { ComparisonNumber } from '../../../app/questions.ts'
import type { Shown } from '../screen.ts'
import { table } from '../text.ts'

export const numbersText = (numbers: readonly ComparisonNumber[]): Shown =>
  table([['TRUST DOMAIN', 'COMPARISON NUMBER'], ...numbers.map(({ trustDomain, number }) => [trustDomain, number])])
