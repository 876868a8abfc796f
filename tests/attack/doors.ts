/**
 * Doors that are opened on purpose: for each attack the lines that keep it out, and what they are replaced by, so that
 * the attack succeeds and its test must fail. `npm run test:attack:doors` opens one after the other in a copy of the
 * tree; a test of every run checks that each text is still there, exactly once.
 *
 * Where several patches stand under one door, each of those lines keeps the attack out by itself.
 */
import { counts } from './doors-counts.ts'
import { anyJudgement, anyPurpose, type Door, type Patch } from './door.ts'
import { endedByHand } from './doors-by-hand.ts'
import { borders } from './doors-borders.ts'
import { anyLiteral, editedConnections, madeUpIds } from './doors-ids.ts'
import { answers, dryRuns, hostileCode, readers } from './doors-inside.ts'
import { hostileDatabases } from './doors-databases.ts'
import { kept } from './doors-kept.ts'
import { receipts } from './doors-receipts.ts'
import { resolutions, wire } from './doors-wire.ts'
import { costlyHeaders } from './doors-headers.ts'
import { hostileWork } from './doors-work.ts'
import { keysAndPeople, quoting, senders } from './doors-people.ts'
import { stored } from './doors-stored.ts'
import { unseenTls } from './doors-tls.ts'
import { values } from './doors-values.ts'
import { anyAge, editedRows, unreadCalls } from './doors-rows.ts'
import { forgottenClaims, olderLedger, reopenedWrites } from './doors-witness.ts'

const APPROVALS = 'activities/approvals.ts'
const CLAIMS = 'db/migrations/0022_claims.sql'
const AUTHORISED = 'activities/perform.ts'
const DECIDE = 'workflows/decide.ts'
const DECISIONS = 'activities/decisions.ts'
const DIGEST = 'lib/write-digest.ts'
const DSSE = 'lib/dsse.ts'
const ORIGIN = 'activities/origin.ts'
const QUORUM = 'lib/quorum.ts'
const SETTLED = 'activities/settle.ts'
const SQL = 'activities/executors/sql.ts'

const anySignature: Patch = {
  file: DSSE,
  find: 'if (key && signature && verify(null, message, key.publicKey, signature)) {',
  replace: 'if (key && signature) {',
}
const planNotCompared: Patch = {
  file: AUTHORISED,
  find: 'if (canonicalJson(found) === canonicalJson(expected)) return',
  replace: 'if (found !== expected) return',
}
const digestWithoutDefinition: Patch = {
  file: DIGEST,
  find: '    definitionSha256,\n    automation,\n    revision,\n    requester,\n  })',
  replace: '    automation,\n    revision,\n    requester,\n  })',
}
const anyDigestInWorkflow: Patch = {
  file: DECIDE,
  find: 'if (vote.digest !== pending.digest) {',
  replace: "if (vote.digest === '') {",
}

const anyRecordedDigest: Patch = {
  file: APPROVALS,
  find: 'if (decision.digest !== digest) {',
  replace: "if (digest === '') {",
}

const forgedDecisions: Door[] = [
  {
    name: 'somebody’s word counts where identity is verified',
    patches: [
      {
        file: APPROVALS,
        find: "if (message.asserted && deps.trust.identity === 'asserted')",
        replace: 'if (message.asserted)',
      },
      { file: DECISIONS, find: "  if (trust.identity !== 'asserted') return null\n", replace: '' },
    ],
    test: { file: 'forged-decisions.test.ts', title: 'that is a bare name is refused as unverified' },
    says: "expected [ '(approved)' ]",
  },
  {
    name: 'signatures are not verified: an unknown key',
    patches: [anySignature],
    test: {
      file: 'forged-decisions.test.ts',
      title: 'with a ticket that an unknown key has signed is refused, even under the name of a known key',
    },
    says: "'(approved)' ] to deeply equal",
  },
  {
    name: 'signatures are not verified: a changed ticket',
    patches: [anySignature],
    test: {
      file: 'forged-decisions.test.ts',
      title: 'with a genuine ticket that was changed is refused, and unchanged it does not count',
    },
    says: "expected [ '(approved)' ]",
  },
  {
    name: 'the key of the workers signs decisions',
    patches: [anyPurpose],
    test: {
      file: 'forged-decisions.test.ts',
      title: 'with a ticket that the key of the workers has signed is refused',
    },
    says: "expected [ '(approved)' ]",
  },
  {
    name: 'a ticket counts for any write',
    patches: [
      {
        file: APPROVALS,
        find: 'if (decision.organization !== params.organization || decision.writebackId !== params.writebackId) {',
        replace: 'if (decision.organization !== params.organization) {',
      },
      anyDigestInWorkflow,
      {
        file: APPROVALS,
        find: 'if (!decision || decision.writebackId !== writebackId || decision.organization !== organization) {',
        replace: 'if (!decision) {',
      },
      anyRecordedDigest,
      {
        file: DECISIONS,
        find: 'decision.writebackId === about.writebackId &&\n    decision.digest === about.digest',
        replace: 'decision.organization === about.organization',
      },
    ],
    test: { file: 'forged-decisions.test.ts', title: 'of one write does not approve another one' },
    says: "expected [ '(approved)' ]",
  },
  {
    name: 'a ticket counts for any digest of its write',
    patches: [
      anyDigestInWorkflow,
      anyRecordedDigest,
      {
        file: DECISIONS,
        find: 'decision.digest === about.digest',
        replace: 'decision.writebackId === about.writebackId',
      },
    ],
    test: { file: 'forged-decisions.test.ts', title: 'for another digest of the same write is stale' },
    says: "expected [ '(approved)' ]",
  },
  {
    name: 'the API signs whatever digest it is asked for',
    patches: [
      {
        file: 'api/decisions.ts',
        find: 'if (approval.digest !== digest) {',
        replace: "if (digest === '') {",
      },
    ],
    test: {
      file: 'forged-decisions.test.ts',
      title: 'asked for with another digest is not even signed',
    },
    says: "expected 'nothing was refused' to be 'STALE_DIGEST'",
  },
  {
    name: 'roles count as the ticket says them',
    patches: [
      {
        file: DECISIONS,
        find: 'roles: rolesAtBothTimes(decision, person),',
        replace: 'roles: decision.roles,',
      },
    ],
    test: {
      file: 'forged-decisions.test.ts',
      title: 'of somebody who has lost the role since is refused',
    },
    says: "expected [ '(approved)' ]",
  },
  {
    name: 'refused messages are looked at without end',
    patches: [
      {
        file: 'workflows/approval.ts',
        find: "if (received.door === 'signal' && !decided.counted) wait.vainSignals++",
        replace: '',
      },
    ],
    test: {
      file: 'forged-decisions.test.ts',
      title: 'after fifty refused signals no further one is looked at, and the API still is',
    },
    says: "expected 'approved' to be 'TOO_MANY_REFUSED'",
  },
  {
    name: 'signals of anybody stop the API',
    patches: [
      {
        file: 'workflows/approval.ts',
        find: "if (door === 'signal' && wait.vainSignals >= MAX_REFUSALS)",
        replace: 'if (wait.vainSignals >= MAX_REFUSALS)',
      },
    ],
    test: {
      file: 'forged-decisions.test.ts',
      title: 'after fifty refused signals no further one is looked at, and the API still is',
    },
    says: "expected 'TOO_MANY_REFUSED' to be 'nothing was refused'",
  },
]

const wrongPeople: Door[] = [
  {
    name: 'machines approve: by signal',
    patches: [{ file: QUORUM, find: "  if (voter.kind !== 'person') return 'NOT_ELIGIBLE'\n", replace: '' }],
    test: {
      file: 'forged-decisions.test.ts',
      title: 'of an agent or a service does not count, whatever its roles',
    },
    says: "expected [ '(approved)' ]",
  },
  {
    name: 'machines approve: by API',
    patches: [{ file: QUORUM, find: "  if (voter.kind !== 'person') return 'NOT_ELIGIBLE'\n", replace: '' }],
    test: {
      file: 'wrong-people.test.ts',
      title: 'of a machine with the role and an API key does not count',
    },
    says: "expected 'nothing was refused' to be 'NOT_ELIGIBLE'",
  },
  {
    name: 'people who were disabled still count',
    patches: [
      {
        file: 'db/queries/principals.ts',
        find: 'p.id = any($2::text[]) and p.disabled_at is null',
        replace: 'p.id = any($2::text[])',
      },
    ],
    test: {
      file: 'wrong-people.test.ts',
      title: 'with a ticket from before whoever signed it was disabled does not count',
    },
    says: "expected [ '(approved)' ] to deeply equal [ 'NOT_ELIGIBLE' ]",
  },
  {
    name: 'people approve what they asked for',
    patches: [{ file: QUORUM, find: 'voter.principal === requester.principal || ', replace: '' }],
    test: {
      file: 'wrong-people.test.ts',
      title: 'of whoever asked for the write does not count, by API or by signal',
    },
    says: "expected 'nothing was refused' to be 'SELF_APPROVAL'",
  },
  {
    name: 'people approve what an agent asked for them',
    patches: [
      {
        file: QUORUM,
        find: ' || requester.onBehalfOf.includes(voter.principal)',
        replace: ' || requester.onBehalfOf[0] === voter.principal',
      },
    ],
    test: {
      file: 'wrong-people.test.ts',
      title: 'of the last of those for whom an agent asked does not count',
    },
    says: "expected 'nothing was refused' to be 'SELF_APPROVAL'",
  },
  {
    name: 'one person is two',
    patches: [
      { file: 'lib/eligibility.ts', find: '  if (before)\n', replace: "  if (before?.principal === '')\n" },
      { file: QUORUM, find: 'firstVotes(votes).filter(', replace: 'votes.filter(' },
    ],
    test: { file: 'wrong-people.test.ts', title: 'are one' },
    says: "expected [ '(approved)' ]",
  },
]

const forgedWorkflows: Door[] = [
  {
    name: 'perform believes what it is handed',
    patches: [
      {
        file: AUTHORISED,
        find: "if (judgement.state === 'waiting') return",
        replace: "if (judgement.state === 'waiting' && decisions.length === 0) return",
      },
      anyAge,
    ],
    test: {
      file: 'forged-workflows.test.ts',
      title: 'asks for approval when it is handed forged decisions, and writes when they are real',
    },
    says: "expected { kind: 'done'",
  },
  {
    name: 'what is sent need not be what was planned',
    patches: [planNotCompared],
    test: { file: 'forged-workflows.test.ts', title: 'refuses what differs from what people see' },
    says: "another amount: expected 'nothing was refused'",
  },
  {
    name: 'any delivery is the origin of any run',
    patches: [
      {
        file: ORIGIN,
        find: 'row?.runs.find((candidate) => candidate.runId === origin.runId)',
        replace: 'row?.runs[0]',
      },
    ],
    test: {
      file: 'forged-workflows.test.ts',
      title: 'refuses a write that none of our deliveries started',
    },
    says: "no such run: expected 'nothing was refused'",
  },
  {
    name: 'an automation is allowed to write any column',
    patches: [
      {
        file: SQL,
        find: '(column) => !table.writable.includes(column) || column === scopeColumn,',
        replace: '(column) => column.length === 0,',
      },
      anyLiteral,
    ],
    test: {
      file: 'forged-workflows.test.ts',
      title: 'refuses a statement on another table, column or tenant',
    },
    says: "another column: expected 'nothing was refused'",
  },
  {
    name: 'rows of another tenant are ours',
    patches: [
      {
        file: SQL,
        find: 'where: { ...update.key, ...(spec.scope ? { [spec.scope.column]: spec.scope.value } : {}) },',
        replace: 'where: { ...update.key },',
      },
    ],
    test: {
      file: 'forged-workflows.test.ts',
      title: 'refuses a statement on another table, column or tenant',
    },
    says: "a row of another tenant: expected 'nothing was refused'",
  },
  {
    name: 'a frozen connection is written to',
    patches: [
      {
        file: 'activities/sending.ts',
        find: 'if (frozenReason === null) return',
        replace: "if (frozenReason !== 'none') return",
      },
      {
        file: CLAIMS,
        find: ' and m.frozen_at is null), 0)',
        replace: '), 0)',
      },
    ],
    test: {
      file: 'forged-workflows.test.ts',
      title: 'sends nothing to a frozen connection, approved as it is',
    },
    says: "expected 'nothing was refused' to be 'CONNECTION_FROZEN'",
  },
  {
    name: 'the policy that counts is the one that was read first',
    patches: [
      {
        file: CLAIMS,
        find: 'and policy_revisions = (select',
        replace: 'and exists (select',
      },
    ],
    test: {
      file: 'late-policies.test.ts',
      title: 'a payment that a policy denies before it is claimed is not made',
    },
    says: "to match object { writebacks: [ 'refused' ] }",
  },
  {
    name: 'a claim that has waited knows only the policies from before',
    patches: [
      {
        file: CLAIMS,
        find: 'and policy_revisions = (select',
        replace: 'and exists (select',
      },
    ],
    test: {
      file: 'held-judgements.test.ts',
      title: 'a policy that denies the write is saved while its claim waits',
    },
    says: "to match object { writebacks: [ 'refused' ] }",
  },
  {
    name: 'people are believed for as long as a claim waits',
    patches: [anyJudgement],
    test: {
      file: 'held-judgements.test.ts',
      title: 'its only approver is disabled while its claim waits',
    },
    says: "to match object { state: 'waiting_for_approval' }",
  },
  {
    name: 'a run is wanted for as long as a claim waits',
    patches: [anyJudgement],
    test: { file: 'held-judgements.test.ts', title: 'its run is cancelled while its claim waits' },
    says: 'to match object { state: ',
  },
  {
    name: 'decisions are recorded unread',
    patches: [
      {
        file: APPROVALS,
        find: 'if (!decision || decision.writebackId !== writebackId || decision.organization !== organization) {',
        replace: 'if (!decision) {',
      },
      anyRecordedDigest,
      {
        file: DECISIONS,
        find: 'decision.writebackId === about.writebackId &&\n    decision.digest === about.digest',
        replace: 'decision.organization === about.organization',
      },
    ],
    test: {
      file: 'forged-workflows.test.ts',
      title: 'records no decision that no door has signed',
    },
    says: "expected 'nothing was refused' to be 'UNVERIFIED'",
  },
  {
    name: 'an approval asks whom its input says',
    patches: [
      {
        file: 'workflows/approval.ts',
        find: 'createApprovalState(opened.pending, wait.expiresAtMs)',
        replace: 'createApprovalState({ ...opened.pending, ...wait.input.pending }, wait.expiresAtMs)',
      },
      {
        file: APPROVALS,
        find: "own ? ineligibility(requirement, requester, own) : 'NOT_ELIGIBLE'",
        replace: "own ? null : 'NOT_ELIGIBLE'",
      },
      {
        file: 'api/decisions.ts',
        find: 'const objection = objectionTo(signed, approval.votes) ?? turnOf(signed)',
        replace: 'const objection = turnOf(signed)',
      },
    ],
    test: {
      file: 'forged-workflows.test.ts',
      title: 'as an approval cannot lower what is asked, nor show other people something else',
    },
    says: "expected 'nothing was refused' to be 'SELF_APPROVAL'",
  },
  {
    name: 'an approval opens for what was never planned so',
    patches: [
      {
        file: APPROVALS,
        find: 'if (row.digest !== params.digest || !row.requirement) {',
        replace: 'if (!row.requirement) {',
      },
    ],
    test: {
      file: 'forged-workflows.test.ts',
      title: 'as an approval of something that was never planned ends',
    },
    says: "expected 'it stands in the inbox' to be 'UNKNOWN_ORIGIN'",
  },
  {
    name: 'a fake approval brings decisions that count',
    patches: [anyPurpose],
    test: {
      file: 'forged-workflows.test.ts',
      title: 'under the name and the id of an approval is believed by the workflow and not by the door',
    },
    says: 'expected 7 to be 100',
  },
  {
    name: 'a run takes whoever has the id of its child',
    patches: [
      {
        file: 'workflows/children.ts',
        find: '    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error\n',
        replace: '',
      },
    ],
    test: {
      file: 'forged-workflows.test.ts',
      title: 'in the place of a writeback can lie about it, and nothing is written',
    },
    says: "expected 'completed' to be 'failed'",
  },
]

const flippedRows: Door[] = [
  {
    name: 'a sending is settled while it is under way',
    patches: [
      {
        file: AUTHORISED,
        find: 'remainingMs === null || remainingMs < 0) return',
        replace: 'remainingMs === null || remainingMs > 0) return',
      },
      {
        file: 'db/queries/writebacks.ts',
        find: 'deadline_at < app_now() and updated_at = $3 and updated_at <= app_now()',
        replace: 'updated_at = $3',
      },
    ],
    test: {
      file: 'flipped-rows.test.ts',
      title: 'that says that it is being sent is left alone until its deadline',
    },
    says: "expected 'nothing was refused' to be 'WRITE_IN_PROGRESS'",
  },
  {
    name: 'the inbox is believed',
    patches: [
      {
        file: AUTHORISED,
        find: "if (judgement.state === 'waiting') return",
        replace: `const inbox = "select from approvals where state = 'approved' and writeback_id = $1"
      const { rowCount } = await deps.database.query(inbox, [row.writeback_id])
      if (judgement.state === 'waiting' && rowCount === 0) return`,
      },
      anyAge,
    ],
    test: {
      file: 'flipped-rows.test.ts',
      title: 'a row of approvals that says approved lets nothing happen',
    },
    says: "expected { kind: 'done'",
  },
  {
    name: 'people sign what the inbox shows',
    patches: [
      {
        file: 'api/decisions.ts',
        find: 'if (shown && row.digest === digest && writeDigest(writeFactsOf(row)) === digest) return',
        replace: 'if (row && writeDigest(writeFactsOf(row)) === digest) return',
      },
    ],
    test: { file: 'flipped-rows.test.ts', title: 'in the inbox is not signed by anybody' },
    says: "expected 'nothing was refused' to be 'STALE_DIGEST'",
  },
  {
    name: 'people sign what the ledger shows',
    patches: [
      {
        file: 'api/decisions.ts',
        find: 'if (shown && row.digest === digest && writeDigest(writeFactsOf(row)) === digest) return',
        replace: 'if (shown && row.digest === digest) return',
      },
    ],
    test: { file: 'flipped-rows.test.ts', title: 'in the inbox and in the ledger is not signed by anybody' },
    says: "expected 'nothing was refused' to be 'STALE_DIGEST'",
  },
  {
    name: 'the ledger is believed: preconditions',
    patches: [planNotCompared],
    test: {
      file: 'flipped-rows.test.ts',
      title: 'with a changed preconditions is not written, even when a lead approves what waits',
    },
    says: "expected 'completed' to be 'WRITE_NOT_AUTHORISED'",
  },
  {
    name: 'the ledger is believed: requester',
    patches: [planNotCompared],
    test: {
      file: 'flipped-rows.test.ts',
      title: 'whose requester was changed does not let the requester approve',
    },
    says: "expected 'nothing was refused' to be 'WRITE_NOT_AUTHORISED'",
  },
  {
    name: 'the ledger is believed: requirement',
    patches: [
      {
        file: AUTHORISED,
        find: 'judgeWrite(deps, row, ruling.requirement, decisions)\n      const { judgement }',
        replace:
          'judgeWrite(deps, row, row.requirement ?? ruling.requirement, decisions)\n      const { judgement }',
      },
    ],
    test: { file: 'flipped-rows.test.ts', title: 'with a lower requirement is measured by today’s policy' },
    says: "expected { kind: 'done'",
  },
  {
    name: 'the ledger is believed: sending',
    patches: [
      {
        file: SETTLED,
        find: "judged.judgement.state === 'approved' ? judged : null",
        replace: "judged.judgement.state === 'rejected' ? null : { ...judged, lapsesAtMs: Infinity }",
      },
    ],
    test: {
      file: 'flipped-rows.test.ts',
      title: 'that says that it is being sent, and long overdue, is not sent',
    },
    says: "expected { kind: 'done'",
  },
  {
    name: 'decisions of another write count',
    patches: [
      {
        file: DECISIONS,
        find: 'decision.writebackId === about.writebackId &&\n    decision.digest === about.digest',
        replace: 'decision.organization === about.organization',
      },
    ],
    test: { file: 'flipped-rows.test.ts', title: 'that was genuine somewhere else is none here' },
    says: "expected { kind: 'done'",
  },
  {
    name: 'the ledger is believed: outcome',
    patches: [
      {
        file: 'activities/outcomes.ts',
        find: 'if (problem === null) return outcome',
        replace: 'if (problem !== undefined) return outcome',
      },
    ],
    test: {
      file: 'flipped-rows.test.ts',
      title: 'that says how it has ended is not believed without a receipt',
    },
    says: "to be 'OUTCOME_NOT_PROVEN'",
  },
  {
    name: 'whatever is signed is recorded as a decision',
    patches: [
      {
        file: 'activities/approvals.ts',
        find: "own ? ineligibility(requirement, requester, own) : 'NOT_ELIGIBLE'",
        replace: "own ? null : 'NOT_ELIGIBLE'",
      },
    ],
    test: {
      file: 'forged-workflows.test.ts',
      title: 'signs no receipt of the clerk’s own ticket, which never counted',
    },
    says: "expected 'nothing was refused' to be 'SELF_APPROVAL'",
  },
  {
    name: 'a chain of receipts may lose its end',
    patches: [
      {
        file: 'lib/receipts.ts',
        find: 'if (head && (head.seq !== position || head.sha256 !== last)) {',
        replace: 'if (head && head.seq < position) {',
      },
    ],
    test: {
      file: 'flipped-rows.test.ts',
      title: 'receipts that were changed, cut or left out do not verify',
    },
    says: 'the end cut off, and it verifies',
  },
]

const changedConfiguration: Door[] = [
  {
    name: 'a run is of the newest revision',
    patches: [
      {
        file: 'db/queries/deliveries.ts',
        find: 'r.name = $3 and r.number = $4',
        replace: 'r.name = $3 and r.number >= $4',
      },
      {
        file: 'db/queries/deliveries.ts',
        find: 'where d.organization = $1 and d.id = $2`,\n    [params.organization, params.deliveryId, params.automation, params.revision],',
        replace:
          'where d.organization = $1 and d.id = $2 order by r.number desc`,\n    [params.organization, params.deliveryId, params.automation, params.revision],',
      },
    ],
    test: {
      file: 'edited-configuration.test.ts',
      title: 'an automation that is edited changes nothing of the run that they see',
    },
    says: "expected 'failed' to be 'completed'",
  },
  {
    name: 'the step of a pinned revision may call anything',
    patches: [
      { file: ORIGIN, find: 'if (!step || !callsTheSame(step, call)) throw', replace: 'if (!step) throw' },
    ],
    test: {
      file: 'flipped-rows.test.ts',
      title: 'changed under it makes the write one of no known origin',
    },
    says: "expected 'completed' to be 'UNKNOWN_ORIGIN'",
  },
  {
    name: 'an approval outlives the address of its connection',
    patches: [
      {
        file: AUTHORISED,
        find: 'return changed.length > 0 ? changed : null',
        replace: 'return null',
      },
    ],
    test: {
      file: 'edited-configuration.test.ts',
      title: 'a connection that is edited to lead elsewhere takes the approval with it',
    },
    says: "expected 'completed' to ",
  },
  {
    name: 'a call is of the automation that it says',
    patches: [
      {
        file: ORIGIN,
        find: 'if (run.automation === origin.automation && run.revision === origin.revision) return',
        replace: 'if (run.revision > 0) return',
      },
    ],
    test: {
      file: 'edited-configuration.test.ts',
      title: 'is not had by saying that the call is such a one',
    },
    says: "expected 'nothing was refused' to be 'UNKNOWN_ORIGIN'",
  },
  {
    name: 'nobody in particular reads',
    patches: [
      {
        file: AUTHORISED,
        find: 'asksWhoAsked(policies, facts) ? await originOf(deps, call, { caller }) : null',
        replace: '(null as VerifiedOrigin | null)',
      },
    ],
    test: {
      file: 'edited-configuration.test.ts',
      title: 'keeps those out whom it names, and lets others read',
    },
    says: "expected 'completed' to be 'POLICY_DENIED'",
  },
]

const changedTools: Door[] = [
  {
    name: 'a tool may change while people look',
    patches: [
      {
        file: 'activities/reading.ts',
        find: 'if (now === null || now === before) return',
        replace: 'if (now !== before || now === before) return',
      },
      digestWithoutDefinition,
    ],
    test: { file: 'changed-tools.test.ts', title: 'that changes while people look at it is not called' },
    says: "expected 'completed' to be 'TOOL_CHANGED'",
  },
  {
    name: 'the pin of a revision is enough',
    patches: [digestWithoutDefinition],
    test: {
      file: 'changed-tools.test.ts',
      title: 'that changes under an edited pin is not the one that people have approved',
    },
    says: "expected 'completed' to be 'WRITE_NOT_AUTHORISED'",
  },
  {
    name: 'a tool that says it reads is believed',
    patches: [
      {
        file: 'lib/tool-class.ts',
        find: "const reads = spec.trusted && definition.annotations?.['readOnlyHint'] === true",
        replace: "const reads = definition.annotations?.['readOnlyHint'] === true",
      },
    ],
    test: { file: 'changed-tools.test.ts', title: 'is a write on a connection that nobody trusts' },
    says: 'nobody was asked: the run has completed',
  },
]

export const DOORS: readonly Door[] = [
  ...forgedDecisions,
  ...wrongPeople,
  ...keysAndPeople,
  ...senders,
  ...quoting,
  ...forgedWorkflows,
  ...flippedRows,
  ...changedConfiguration,
  ...changedTools,
  ...readers,
  ...answers,
  ...dryRuns,
  ...hostileCode,
  ...wire,
  ...resolutions,
  ...hostileWork,
  ...costlyHeaders,
  ...counts,
  ...receipts,
  ...kept,
  ...hostileDatabases,
  ...unseenTls,
  ...borders,
  ...madeUpIds,
  ...editedConnections,
  ...values,
  ...stored,
  ...olderLedger,
  ...forgottenClaims,
  ...endedByHand,
  ...reopenedWrites,
  ...editedRows,
  ...unreadCalls,
]
