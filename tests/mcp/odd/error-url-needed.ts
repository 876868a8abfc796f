import { refusal, type Oddity } from './oddity.ts'

export default {
  title: 'that wants a person to open an address',
  answers: {
    'tools/call': refusal(
      '{"code":-32042,"message":"Sign in first","data":{"elicitations":[{"mode":"url","elicitationId":"e1","url":"https://bank.example/sign-in?e=1","message":"Sign in"}]}}',
    ),
  },
  failure: { code: 'CALL_REFUSED', sent: 'refused', answer: -32042 },
  says: ['Sign in first', 'open https://bank.example/sign-in?e=1'],
} satisfies Oddity
