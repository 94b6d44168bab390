/** `doctor`: checks whether clusters are ready for federation, and names the remedy if not. Reads only; no Secret, no exec. */

import { type DoctorInput, doctor } from '../../../app/inspect/doctor.ts'
import { doctorView, overall } from '../../../core/view/doctor-view.ts'
import { doctorPorts, type ExamineOptions } from '../../input/examiner.ts'
import type { Io, Output } from '../../io.ts'
import { doctorText } from '../../print/doctor-text.ts'
import { json } from '../../print/screen.ts'

export interface DoctorOptions extends ExamineOptions, DoctorInput {
  readonly output: Output
}

export async function run(options: DoctorOptions, io: Io): Promise<number> {
  const { checks, at } = await doctor(doctorPorts(options, io), options)
  io.print(options.output === 'json' ? json(doctorView(checks, at)) : doctorText(checks, io.color))
  return overall(checks) === 'fail' ? 1 : 0
}
