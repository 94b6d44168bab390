/** Explains in one sentence why a policy accepts a caller, and which edit would refuse it. */
import type { Condition } from './policy/policy.ts'
import { expanded, type ReadyCondition, type ReadyPolicy, type ReadyRule, sourceTruth, valueTest } from './policy/rule-matching.ts'
import { NO } from './policy/truth.ts'

export interface Reason {
  /** Index under `spec.rules`; undefined: no rule is the reason. */
  readonly rule?: number
  readonly sentence: string
  readonly closes: string
}

export interface Case {
  /** A SPIFFE ID that is newly accepted, and its trust domain. */
  readonly id: string
  readonly domain: string
  /** The domain, and the number of other domains that policies treat alike. */
  readonly shown: string
  readonly trustDomain: string
  /** The mesh's trust domain and aliases. */
  readonly own: readonly string[]
}

/** Explains every rule of an ALLOW policy that matches the identity. */
export function whyAllowed({ policy, rules }: ReadyPolicy, about: Case): readonly Reason[] {
  return rules.flatMap((rule) => {
    const source = rule.sources.find((one) => sourceTruth(one, about.id) !== NO)
    if (source === undefined) return []
    const explained = explainSource(source, policy.namespace, about)
    return [{ rule: rule.index, sentence: `rule ${rule.index} ${explained.sentence}${provided(source, rule)}`, closes: explained.closes }]
  })
}

/** The further conditions of the rule. */
function provided(source: readonly ReadyCondition[], { operations }: ReadyRule): string {
  const conditions = [
    ...source.filter(({ condition }) => condition.attribute === 'other').map(({ condition }) => condition.name),
    ...(operations.some((entry) => entry.length === 0) ? [] : ['what it says of operations']),
  ]
  return conditions.length === 0
    ? ''
    : ` (as far as ${[...new Set(conditions)].join(', ')} ${conditions.length === 1 ? 'matches' : 'match'})`
}

type Explained = Pick<Reason, 'sentence' | 'closes'>

function explainSource(source: readonly ReadyCondition[], home: string, about: Case): Explained {
  const identity = source.filter(({ condition }) => condition.attribute.startsWith('source.'))
  const positive = identity.filter(({ condition }) => condition.values.length > 0)
  // The sentence explains every condition that lists values. The edit closes the first of them.
  const explained = positive.map(({ condition }) => explainValue(condition, home, about))
  const [first] = explained
  if (first !== undefined) return { sentence: explained.map(({ sentence }) => sentence).join(', and '), closes: first.closes }
  const negative = identity.map(({ condition }) => condition.name)
  // Istio rejects a source with both principals and service accounts. `trustDomains` exist from 1.30 on.
  const only = negative.includes('notServiceAccounts')
    ? `add trustDomains: ["${about.trustDomain}"] to its source`
    : `add principals: ["${about.trustDomain}/*"] to its source`
  if (negative.length > 0) {
    return { sentence: `only leaves some callers out (${[...new Set(negative)].join(', ')}), and these are not among them`, closes: only }
  }
  return { sentence: 'names no caller, so it is for everybody that TLS lets in', closes: only }
}

function explainValue(condition: Condition, home: string, about: Case): Explained {
  const { attribute, name } = condition
  const written =
    condition.values.find((value) => expanded([value], attribute, about.own).some((one) => valueTest(one, attribute, home)(about.id))) ?? ''
  const itself = valueTest(written, attribute, home)(about.id)
  const said = `${name} "${written}"`
  if (!itself && about.domain === about.trustDomain) {
    return {
      sentence: `says ${said}, whose trust domain is an alias of the mesh, so that account of ${about.domain} itself is meant too`,
      closes: 'take that domain out of trustDomainAliases; its identities then are others than yours',
    }
  }
  if (!itself) {
    return {
      sentence: `says ${said}, which means the same account of the alias ${about.shown} as well`,
      closes: `take ${about.domain} out of trustDomainAliases; its identities then are others than yours`,
    }
  }
  switch (attribute) {
    case 'source.namespace':
      return {
        sentence: `says ${said}, which carries no trust domain, so that namespace of ${about.shown} is meant too`,
        closes: `add principals: ["${about.trustDomain}/*"] to its source`,
      }
    case 'source.serviceAccount': {
      const [namespace, account] = written.includes('/') ? written.split('/') : [home, written]
      return {
        sentence: `says ${said}, which carries no trust domain, so that account of ${about.shown} is meant too`,
        closes: `write principals: ["${about.trustDomain}/ns/${namespace}/sa/${account}"] instead`,
      }
    }
    case 'source.principal':
      return explainPrincipal(said, written, about)
    default:
      return {
        sentence: `says ${said}, which ${about.shown} matches`,
        closes: `name the trust domains that are meant: trustDomains: ["${about.trustDomain}"]`,
      }
  }
}

function explainPrincipal(said: string, written: string, { domain, shown, trustDomain }: Case): Explained {
  if (!written.startsWith('*')) {
    return { sentence: `says ${said}, which names ${shown}`, closes: 'take it out, if it is not meant' }
  }
  const path = written.startsWith('*/') ? written.slice(1) : '/*'
  const closes =
    written === '*' || written.startsWith('*/')
      ? `write "${trustDomain}${path}" instead`
      : `add notPrincipals: ["${domain}/*"] to its source`
  return { sentence: `says ${said}, which matches in every trust domain`, closes }
}

/** Explains a policy that denies no identity here, when no other policy restricts the callers either. */
export function whyUnguarded({ policy }: ReadyPolicy, { trustDomain, domain }: Case): Reason {
  const itself = {
    ALLOW: 'is a dry run',
    DENY: policy.dryRun ? 'is a dry run' : 'does not match them',
    AUDIT: 'only records',
    CUSTOM: 'at most asks another about them',
    unknown: 'is not understood',
  }[policy.action]
  return {
    sentence: `no ALLOW policy applies, so that everybody is accepted whom TLS lets in and nothing denies, and this one ${itself}`,
    closes: `an ALLOW policy for principals: ["${trustDomain}/*"], or a DENY for principals: ["${domain}/*"] (what callers of a federation file write)`,
  }
}

/** Explains a DENY policy that denies the mesh's own account of the same name, but not the foreign one. */
export function whyNotDenied({ rules }: ReadyPolicy, local: string, { shown, trustDomain }: Case): Reason {
  const rule = rules.find(({ truth }) => truth(local) !== NO)
  const path = local.slice(`spiffe://${trustDomain}/`.length)
  return {
    ...(rule === undefined ? {} : { rule: rule.index }),
    sentence: `rule ${rule?.index ?? 0} denies ${trustDomain}/${path} by a name that carries the trust domain: the account of the same name in ${shown} is another, and passes`,
    closes: `write "*/${path}" to deny it in every trust domain`,
  }
}
