/** Derives names of members from the contexts of a kubeconfig. */

import { trimOf } from '../../core/basics/trim.ts'
import type { MemberName } from '../../core/model/wanted.ts'

/** A DNS label from a context's name: `gke_project_zone_shop` → `gke-project-zone-shop`. */
export const memberName = (context: string): MemberName =>
  (trimOf(trimOf(context.toLowerCase().replace(/[^a-z0-9]+/g, '-'), '-').slice(0, 40), '-') || 'cluster') as MemberName
