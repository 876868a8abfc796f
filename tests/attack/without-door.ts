/**
 * Tests of attacks for which no door is opened, by file and title, and why: they show what is right, or keep out by a line
 * that the door with that name opens, too.
 */
export const WITHOUT_DOOR: Partial<Record<string, Record<string, string>>> = {
  'changed-tools.test.ts': {
    'that is as it was when the automation was saved is called once it is approved': 'what is right',
    'is called again after the automation was saved with the new definition': 'what is right',
    'is believed on a connection that the operator trusts': 'what is right',
    'whose %s has changed since is not called': 'as *a tool may change while people look*',
    'is a write even there if the operator says so': 'as *a tool that says it reads is believed*',
  },
  'costly-headers.test.ts': {
    'have room for what servers take': 'what is right',
  },
  'edited-configuration.test.ts': {
    'is had by those calls': 'what is right',
    'asks our records who it is, and not the workflow': 'as *any delivery is the origin of any run*',
  },
  'edited-connections.test.ts': {
    'the header that names the tenant is told by its name': 'as *headers are no part of a write*',
    'a connection by %s that stays as it was, or only waits longer, is used with the approval that was given':
      'what is right',
  },
  'flipped-rows.test.ts': {
    'is not believed with the receipt of another write, nor with one that says something else':
      'as *the ledger is believed: outcome*',
    'with another digest or rule shows people something else, and what they sign then does not count':
      'as *people sign what the ledger shows*',
    'is no decision': 'as *the key of the workers signs decisions*',
    'with another %s in its plan changes nothing of what is written':
      'as *people sign what the ledger shows*',
  },
  'many-watchers.test.ts': {
    'of one organization that watches many runs leave others room to watch':
      'as *slow servers of one organization hold a worker*',
  },
  'removed-policies.test.ts': {
    'a write that was approved is made after a policy was removed':
      'as *a policy that was removed stops all writes*',
    'a write that only the removed policy has allowed is not made': 'what is right',
  },
  'stolen-address.test.ts': {
    'sees what the worker works with, which goes on': 'what is right',
  },
  'forged-decisions.test.ts': {
    'sent as a signal is as good as the API': 'what is right',
    'that turns a rejection into an approval is refused':
      'as *signatures are not verified: a changed ticket*',
    'sent again and again counts once, and for one person': 'as *one person is two*',
    'of another organization is about another write': 'as *a ticket counts for any write*',
  },
  'forged-workflows.test.ts': {
    'as a writeback with a made-up call asks the same people': 'as *perform believes what it is handed*',
    'the door writes with the decision of a lead, once, whoever calls it': 'what is right',
    'signs none under another approval, nor about another digest':
      'as *whatever is signed is recorded as a decision*',
    'shows what follows from the decisions, and not what it is told': 'what is right',
  },
  'hostile-code.test.ts': {
    'of the stack is bounded for %s':
      'kept by limits of ours, of the engine and of the thread, each by itself',
    'of many at once gets its own result': 'what is right',
    'goes on beside loops': 'what is right',
  },
  'erased-claims.test.ts': {
    'what the server has said of it is told, and it is not sent again':
      'as *the report of a failure erases the claim*',
    'of one that is cancelled then, no receipt says that it was never sent':
      'as *the report of a failure erases the claim*',
    'one whose worker stops during the call is not sent again by the next worker':
      'as *the report of a failure erases the claim*',
  },
  'ended-by-hand.test.ts': {
    'one that is reset with its heartbeats is paid': 'what is right',
  },
  'forgotten-claims.test.ts': {
    'a writeback that is reset between two attempts does not write again':
      'as *a run that was reset writes without asking the execution before it*',
    'a run that is reset over a ledger without its row, and without the receipt, does not write again':
      'as *a run that was reset writes without asking the execution before it*',
  },
  'lying-servers.test.ts': {
    '%s waits for a person, done once, with the words of the server':
      'as *a server that says no is believed*',
    '-32603 is sent no second time, also where the same key may be sent twice':
      'as *a server that says no is believed*',
    'an error of a write that is looked at, and was not done, ends it with the words of the server':
      'what is right',
    '%s is found to be done, where a look can tell': 'as *a server that says no is believed*',
    'is sent again in the same round if waiting may help': 'what is right',
    '%s is a failure that has changed nothing, and may be tried in a new round': 'what is right',
  },
  'hostile-databases.test.ts': {
    'a target that says goodbye in the same packet as its welcome costs one call':
      'as *nobody listens to a connection that is handed over*',
  },
  'large-rows.test.ts': {
    'what is not large is shown as it is': 'what is right',
    'what a trigger has made of a new value is told by its digest, too':
      'as *a plan carries what it replaces, however large it is*',
  },
  'held-judgements.test.ts': {
    'connection and policy are saved together, and its claim comes between them':
      'as *a claim that has waited knows only the policies from before*',
  },
  'hostile-work.test.ts': {
    'whose schema takes years fails the call that it is for, and says whose schema it is':
      'as *a pattern of somebody is tried on the main thread*',
    'of one organization that takes years keeps no other organization waiting':
      'as *one organization takes all threads*; short calls take turns besides',
  },
  'many-values.test.ts': {
    'that once took the worker with it does so no more, and others run on beside it':
      'as *how many values a tool answers is not counted*',
    'of a server with more values than one may have is refused by the callback':
      'as *how many values a request has is not counted*',
  },
  'slow-senders.test.ts': {
    'whoever sends all of a large body without a key gets the answer, and not a broken connection':
      'what is right',
    'the head of a request does not come to its end': 'as *a body may take for ever*',
    'nothing comes': 'as *a body may take for ever*',
    'a call that waits for its answer for longer than that gets it': 'what is right',
  },
  'made-up-ids.test.ts': {
    'what its step writes, it writes once, however often it is asked': 'what is right',
  },
  'other-spellings.test.ts': {
    'is written where the policy lets it be, and judged as what is stored': 'what is right',
  },
  'older-ledger.test.ts': {
    'whose worker dies with it: nobody knows, and nothing is sent again':
      'as *nobody remembers a claim that the ledger has lost*',
    'of a tool that recognises its key: it is sent with the same key, and its answer counts': 'what is right',
    'nor of the write: it is put back as it was': 'as *nobody remembers a claim that the ledger has lost*',
  },
  'typed-commands.test.ts': {
    'a signal with a name is refused': 'as *somebody’s word counts where identity is verified*',
    'the command of a ticket counts where it was made for, and nowhere else':
      'as *a ticket counts for any write*',
    'an approval that does not fit the ledger ends': 'as *an approval opens for what was never planned so*',
    'an approval whose kept votes are no list ends too': 'nobody gets in by it: it is about ending',
    'a run that no delivery started writes nothing': 'as *any delivery is the origin of any run*',
    '%s with any input ends, and does not try for ever': 'nobody gets in by it: it is about ending',
  },
  'unseen-tls.test.ts': {
    'keys over a curve are agreed upon, with either version': 'what is right',
    'with %s a server has room for 16 KB of certificates, and for no more':
      'as *certificates of a server are held against each other, however many*',
  },
}
