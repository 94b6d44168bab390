import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FederationError } from './errors.ts'
import { error, fromError, toError, withSubject } from './finding.ts'
import { about, memberOf, type Subject, subjectText, within } from './subject.ts'
import { subject as schema } from './subject-schema.ts'

const policy = { kind: 'AuthorizationPolicy', metadata: { namespace: 'sample', name: 'p' } }
const six = ['a.x', 'b.x', 'c.x', 'd.x', 'e.x', 'f.x']
const scope = about.scope('sample (app=server)', 'cluster-b')

const TEXTS: readonly { readonly subject: Subject; readonly text: string; readonly member?: string }[] = [
  { subject: about.member('cluster-b'), text: 'cluster-b', member: 'cluster-b' },
  { subject: about.trust({ truster: 'cluster-a', trusted: 'cluster-b' }), text: 'cluster-a trusting cluster-b', member: 'cluster-a' },
  { subject: scope, text: 'cluster-b: sample (app=server)', member: 'cluster-b' },
  { subject: about.scope('sample (app=server)'), text: 'sample (app=server)' },
  { subject: about.object(policy, 'cluster-b'), text: 'cluster-b: AuthorizationPolicy sample/p', member: 'cluster-b' },
  { subject: about.object({ kind: 'Node', metadata: { name: 'n' } }), text: 'Node n' },
  { subject: about.objectIn(scope, policy), text: 'cluster-b: sample (app=server): AuthorizationPolicy sample/p', member: 'cluster-b' },
  { subject: about.proxy('server.sample'), text: 'server.sample' },
  { subject: about.proxies(six, 'cluster-b'), text: 'cluster-b: a.x, b.x, c.x, d.x, e.x and 1 more', member: 'cluster-b' },
  {
    subject: about.istiod({ pod: 'istiod-1', revision: 'default' }, 'cluster-b'),
    text: 'cluster-b: istiod istiod-1 (revision default)',
    member: 'cluster-b',
  },
  { subject: about.host('server.sample.svc.cluster.local'), text: 'server.sample.svc.cluster.local' },
  { subject: about.trustDomain('b.example'), text: 'b.example' },
  { subject: about.root('b.example', 'sha256:00'), text: 'b.example sha256:00' },
  { subject: about.file('audit.jsonl'), text: 'audit.jsonl' },
  { subject: about.file('audit.jsonl', 3), text: 'audit.jsonl:3' },
  { subject: about.input('block 2'), text: 'block 2' },
  { subject: about.other('--reason'), text: '--reason' },
]

describe('a subject', () => {
  it.each(TEXTS)('is written as $text', ({ subject, text }) => {
    expect(subjectText(subject)).toBe(text)
  })

  it.each(TEXTS)('$text names the member that the mesh belongs to', ({ subject, member }) => {
    expect(memberOf(subject)).toBe(member)
  })

  it.each(TEXTS)('$text has the JSON form of the schema', ({ subject }) => {
    expect(schema.parse(JSON.parse(JSON.stringify(subject)))).toEqual(subject)
  })

  it.each(TEXTS)('$text names a member once, however often it is qualified with one', ({ subject, text, member }) => {
    const named = within('cluster-x', subject)
    expect(subjectText(named)).toBe(member === undefined ? `cluster-x: ${text}` : text)
    expect(within('cluster-y', named)).toEqual(named)
  })
})

describe('a finding', () => {
  it('keeps the text of its subject after conversion to an error and back', () => {
    fc.assert(
      fc.property(fc.constantFrom(...TEXTS.map(({ subject }) => subject)), (subject) => {
        const finding = error('not-found', subject, 'message', 'hint')
        expect(finding).toMatchObject({ subject: subjectText(subject), about: subject })
        expect(fromError(toError(finding))).toEqual(finding)
      }),
    )
  })

  it('has a new text with a new subject', () => {
    const finding = error('not-found', about.member('cluster-b'), 'message')
    expect(withSubject(finding, about.proxy('server.sample'))).toMatchObject({
      subject: 'server.sample',
      about: { kind: 'proxy', proxies: ['server.sample'] },
      message: 'message',
    })
  })
})

describe('an error', () => {
  it.each([about.other('https://user:secret@host/path'), about.file('https://user:secret@host/path')])(
    'contains no URL credentials in its subject (%o)',
    (subject) => {
      const thrown = new FederationError('file-unreadable', subject, 'message')
      expect(JSON.stringify([thrown.subject, thrown.about])).not.toContain('secret')
    },
  )
})
