/** Doors to what somebody with our database makes of a row, and to claims and plans that are not as a worker has signed them. */
import type { Door, Patch } from './door.ts'

const NOT_UNKNOWN = "to match object { writebacks: [ 'unknown' ]"
const EDITED = 'edited-rows.test.ts'

/** How old an approval is stands in the way of one that is none, too. */
export const anyAge: Patch = {
  file: 'activities/sending.ts',
  find: 'new SendWindow(timeoutMs, lapsesAtMs - deps.nowMs())',
  replace: 'new SendWindow(timeoutMs, timeoutMs + 0 * lapsesAtMs)',
}

export const editedRows: Door[] = [
  {
    name: 'a row says how old an approval is',
    patches: [
      {
        file: 'activities/authorise.ts',
        find: 'row.requester, votes, deps.nowMs())',
        replace: "row.requester, votes, row.state === 'sending' ? Date.parse(row.updated_at) : deps.nowMs())",
      },
      anyAge,
    ],
    test: {
      file: 'lapsed-approvals.test.ts',
      title: 'a row that says that it was claimed while its approval was young lets nothing be sent',
    },
    says: "to match object { state: 'waiting_for_approval'",
  },
  {
    name: 'an approval that was judged counts however long its claim takes',
    patches: [
      {
        file: 'activities/sending.ts',
        find: 'new SendWindow(timeoutMs, lapsesAtMs - deps.nowMs())',
        replace: 'new SendWindow(timeoutMs, lapsesAtMs)',
      },
    ],
    test: {
      file: 'lapsed-approvals.test.ts',
      title: 'an approval that lapses while the claim of its write is held up lets nothing be sent',
    },
    says: "to match object { state: 'waiting_for_approval'",
  },
  {
    name: 'a row says how long an attempt has had',
    patches: [
      {
        file: 'activities/perform.ts',
        find: 'return remainingMs + Math.max(0, ...laterMs)',
        replace: 'return remainingMs + 0 * laterMs.length',
      },
    ],
    test: {
      file: 'lapsed-approvals.test.ts',
      title: 'a deadline that is put into the past while a payment is under way does not have it made twice',
    },
    says: 'to deeply equal [',
  },
  {
    name: 'what Temporal was told of a run that was reset is forgotten by the second look',
    patches: [
      {
        file: 'activities/perform.ts',
        find: 'frozenReason, ...step, witness }',
        replace: 'frozenReason, ...step }',
      },
    ],
    test: {
      file: 'lapsed-approvals.test.ts',
      title: 'nor does one of a run that is reset, whose connection has less time by now',
    },
    says: 'to deeply equal [',
  },
  {
    name: 'a row that says planned is believed over a claim',
    patches: [
      {
        file: 'activities/claims.ts',
        find: "return row.state === 'sending' || isReleased(deps, row, claim)",
        replace: 'return true || isReleased(deps, row, claim)',
      },
    ],
    test: {
      file: EDITED,
      title: 'a write under way that is called planned, with attempt, is not sent again',
    },
    says: NOT_UNKNOWN,
  },
  {
    name: 'a claim of a key that was retired is no claim',
    patches: [
      {
        file: 'lib/dsse.ts',
        find: 'const opened = current ?? openWith(envelope, expected, keys)',
        replace: 'const opened = current',
      },
      {
        file: 'activities/claims.ts',
        find: 'const claim = ClaimSchema.safeParse(opened ?',
        replace: 'if (!opened) return null\n  const claim = ClaimSchema.safeParse(opened ?',
      },
    ],
    test: {
      file: EDITED,
      title: 'a claim that was signed with a key which was retired since is still a claim',
    },
    says: NOT_UNKNOWN,
  },
  {
    name: 'a claim that opens with no key is no claim',
    patches: [
      {
        file: 'activities/claims.ts',
        find: 'const claim = ClaimSchema.safeParse(opened ?',
        replace: 'if (!opened) return null\n  const claim = ClaimSchema.safeParse(opened ?',
      },
    ],
    test: {
      file: EDITED,
      title:
        'a write that is called planned, with a key that is not in public.json any more, is not sent again, and unknown when the key is back',
    },
    says: "to match object { state: 'failed'",
  },
  {
    name: 'a run that has failed at its write is believed about it',
    patches: [
      {
        file: 'activities/witnesses.ts',
        find: 'const { outcome, decisions, said, doubt } = await whatWasSaid(client, about)',
        replace:
          'if (isReached) return null\n  const { outcome, decisions, said, doubt } = await whatWasSaid(client, about)',
      },
    ],
    test: {
      file: EDITED,
      title:
        'a write that is called planned, with a key that is not in public.json any more, is not sent again, and unknown when the key is back',
    },
    says: NOT_UNKNOWN,
  },
  {
    name: 'a row under way stays as somebody has changed it',
    patches: [
      {
        file: 'activities/recall.ts',
        find: "if (row.state !== 'sending' || isPlanned(deps, row)) return false",
        replace: 'if (row.attempt >= 0) return false',
      },
    ],
    test: {
      file: EDITED,
      title: 'a write under way of which somebody edits the plan, and whose answer is lost, is unknown',
    },
    says: "expected { state: 'failed', …(9) } to match object",
  },
  {
    name: 'the reconciler asks whatever run a row names',
    patches: [
      {
        file: 'activities/reconcile.ts',
        find: 'if (!isPlanned(pass.door, row)) return void report.unproven++',
        replace: '',
      },
      { file: 'activities/ledger.ts', find: 'if (!isOwn) assertPlanned(deps, row)', replace: '' },
    ],
    test: {
      file: EDITED,
      title:
        'a write under way that is called planned by a run that is over has no receipt that it was never sent',
    },
    says: "to match object { writebacks: [ 'applied' ]",
  },
  {
    name: 'the reconciler signs what a row says',
    patches: [
      {
        file: 'activities/reconcile.ts',
        find: 'if (!isPlanned(pass.door, row)) return void report.unproven++',
        replace: '',
      },
      { file: 'activities/ledger.ts', find: 'if (!isOwn) assertPlanned(deps, row)', replace: '' },
    ],
    test: { file: EDITED, title: 'of a write that no run has made the reconciler signs nothing' },
    says: "to match object { writebacks: [ 'sending' ]",
  },
]

const leavesWrites: Patch = {
  file: 'mcp/stdio-pool.ts',
  find: ' || transport.isUnanswered(window)',
  replace: '',
}
const closesKindly: Patch = {
  file: 'mcp/child-pipe.ts',
  find: 'if (this.#writes.size === 0) return END_PATIENCE_MS',
  replace: 'if (this.#writes.size < 2) return END_PATIENCE_MS',
}
const watchesNothing: Patch = {
  file: 'mcp/watcher-script.ts',
  find: '    end(group)\n    writes.delete(key)',
  replace: '    writes.delete(key)',
}

export const unreadCalls: Door[] = [
  {
    name: 'a program that stands still keeps the write in its pipe',
    patches: [leavesWrites, closesKindly, watchesNothing],
    test: {
      file: '../mcp/writes-once.test.ts',
      title: 'one that stands still with a write in its pipe is gone when the deadline is over',
    },
    says: 'to be greater than -1000',
  },
  {
    name: 'a program that works on something else keeps the write in its pipe',
    patches: [leavesWrites, watchesNothing],
    test: {
      file: '../mcp/writes-once.test.ts',
      title:
        'one that speaks of other work, which others wait for, is gone as well, and a later look stays true',
    },
    says: 'expected 2 to be 1',
  },
  {
    name: 'a worker that is stopped leaves a program its write',
    patches: [watchesNothing],
    test: {
      file: '../mcp/stdio-calls.test.ts',
      title: 'takes a child with it that has not answered its write in time',
    },
    says: 'expected true to be false',
  },
  {
    name: 'whoever watches next is not told of writes under way',
    patches: [
      {
        file: 'mcp/orphans.ts',
        find: '    for (const [write, window] of writes) tell(sentLine(group, write, window))\n',
        replace: '    void writes\n',
      },
    ],
    test: {
      file: '../mcp/stdio-calls.test.ts',
      title: 'does so when whoever watched was killed with the write under way',
    },
    says: 'expected true to be false',
  },
  {
    name: 'a write leaves while nobody watches',
    patches: [
      {
        file: 'mcp/child-pipe.ts',
        find: 'if (!(await isWatched(group, message.id, window)))',
        replace: 'if (false)',
      },
    ],
    test: {
      file: '../mcp/writes-once.test.ts',
      title: 'gets no write while nobody watches over it, and then it does',
    },
    says: "to match object { code: 'WRITE_NOT_SENT'",
  },
  {
    name: 'a watcher that stands still counts as one that watches',
    patches: [
      { file: 'mcp/orphans.ts', find: 'if (await asked.hasHeard()) return true', replace: 'return true' },
    ],
    test: {
      file: '../mcp/watched-writes.test.ts',
      title:
        'and its worker is killed with a write under way, a program that stands still does not make it later',
    },
    says: "expected 'me\\n' to be ''",
  },
  {
    name: 'nobody looks whether a write under way is still watched',
    patches: [
      {
        file: 'mcp/orphans.ts',
        find: '  looks ??= setInterval(lookAgain, LOOK_MS).unref()\n',
        replace: '  void lookAgain\n',
      },
    ],
    test: {
      file: '../mcp/stdio-calls.test.ts',
      title: 'does so when whoever watched was stopped with the write under way',
    },
    says: 'expected true to be false',
  },
  {
    name: 'whoever has got the id of a program is ended for it',
    patches: [
      {
        file: 'mcp/program-group.ts',
        find: 'if (this.#isOurs && !isThere(this.#pid)) this.forget()',
        replace: 'void isThere',
      },
    ],
    test: {
      file: '../mcp/program-helpers.test.ts',
      title: 'leaves whoever gets its id alone when the worker is killed',
    },
    says: 'the stranger was ended by SIGKILL',
  },
  {
    name: 'a program that may not be ended gets a write',
    patches: [{ file: 'mcp/child-pipe.ts', find: 'if (why !== null)', replace: 'if (false)' }],
    test: {
      file: '../mcp/other-account.test.ts',
      title: 'sends no write to a program that has changed its account by itself, and goes on',
    },
    says: 'runs on: it has an',
  },
  {
    name: 'of a program only its front is looked at',
    patches: [
      {
        file: 'mcp/process-tree.ts',
        find: '  for (const each of found) found.push(...childrenOf(each))\n',
        replace: '  void childrenOf\n',
      },
    ],
    test: {
      file: '../mcp/other-account.test.ts',
      title: 'sends no write to a program behind a script that has not, and goes on',
    },
    says: 'to match /COMMAND_NOT_FOUND no',
  },
  {
    name: 'a server that has left its group gets a write',
    patches: [
      {
        file: 'mcp/process-tree.ts',
        find: 'if (status && status.group !== group && readsThe(input, pid))',
        replace: 'if (false)',
      },
    ],
    test: {
      file: '../mcp/writes-once.test.ts',
      title: 'gets no write where its server has left the group with our pipe',
    },
    says: "to match object { code: 'COMMAND_NOT_FOUND'",
  },
  {
    name: 'a program under another account has the rights of the worker',
    patches: [{ file: 'mcp/commands.ts', find: "    '--inh-caps=-all',\n", replace: '' }],
    test: { file: '../mcp/other-account.test.ts', title: 'and is not root hands none of its rights on' },
    says: 'to have a length of 4 but got',
  },
  {
    name: 'a command has an account whose programs nobody may end',
    patches: [{ file: 'mcp/commands.ts', find: '  assertEndable(name, entry)\n', replace: '' }],
    test: {
      file: '../mcp/other-account.test.ts',
      title:
        'but may not end what runs under others starts nothing under another account, and says what it lacks',
    },
    says: 'to match',
  },
]
