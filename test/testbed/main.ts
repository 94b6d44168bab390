/** The bed by hand: `npx tsx test/testbed/main.ts up|down|status|build`. */
import { Bed } from './bed.ts'
import { ensureBuilt } from './build.ts'
import { RUN_DIRECTORY } from './layout.ts'
import { takeDown } from './owner.ts'
import { isEmpty, leftovers } from './sweep.ts'
import { walkthrough } from './topology.ts'
import { call, clusterIp } from './traffic.ts'

const say = (line: string): void => console.error(line)

async function up(): Promise<void> {
  const bed = await Bed.up({ progress: say })
  const { client } = await walkthrough(bed)
  const { status, text } = await call(client, 'server.sample')
  await bed.release()
  say(`a/sample/client -> server.sample: ${status} ${text}`)
  say(`again: ip netns exec ${client.netns} curl -sH 'Host: server.sample' http://${await clusterIp(client, 'server.sample')}/`)
  say(`export KUBECONFIG=${bed.kubeconfig}   # contexts cluster-a, cluster-b; logs in ${RUN_DIRECTORY}/log`)
}

async function status(): Promise<void> {
  const found = await leftovers()
  say(isEmpty(found) ? 'down' : `up: ${found.processes.join(' ')}`)
}

const COMMANDS: Readonly<Record<string, () => Promise<unknown>>> = {
  up,
  down: () => takeDown(say),
  status,
  build: () => ensureBuilt(say),
}

const command = COMMANDS[process.argv[2] ?? '']
if (command === undefined) {
  say(`usage: main.ts ${Object.keys(COMMANDS).join('|')}`)
  process.exit(2)
}
await command()
process.exit(0)
