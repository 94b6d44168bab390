/** The JSON of `mount`. */
import type { Finding } from '../diagnostics/finding.ts'
import type { Carrier } from '../plan/hazards/mounted-files.ts'
import type { TemplateMetadata } from '../trust/mounted/mount.ts'
import type { View } from './schemas.ts'
import { documented } from './versioned.ts'

/** @param workloads each with the patch that adds the mount to its template, if the template lacks it */
export const mountView = (
  workloads: readonly (Carrier & { readonly patch?: TemplateMetadata })[],
  findings: readonly Finding[],
): View<'Mount'> =>
  documented('Mount', {
    workloads: workloads.map(({ member, namespace, kind, name, sets, pods, lacking, pinned, template, patch }) => ({
      member,
      namespace,
      kind,
      name,
      sets,
      pods,
      lacking,
      pinned,
      template: template ?? null,
      patch: patch === undefined ? null : { spec: { template: { metadata: patch } } },
    })),
    findings,
  })
