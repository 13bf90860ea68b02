// graphql-transport-ws by the npm package `graphql-ws` on `ws`, as its own guide sets it up.
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { GraphQLInt, GraphQLNonNull, GraphQLObjectType, GraphQLSchema, GraphQLString } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import { duration, readOptions, size } from '../node/options.mjs';

const TICK = 20;

async function* ticks() {
  for (let count = 0; ; count += 1) {
    yield { ticks: count };
    await sleep(TICK);
  }
}

const schema = new GraphQLSchema({
  query: new GraphQLObjectType({
    name: 'Query',
    fields: { hello: { type: new GraphQLNonNull(GraphQLString), resolve: () => 'world' } },
  }),
  subscription: new GraphQLObjectType({
    name: 'Subscription',
    fields: { ticks: { type: new GraphQLNonNull(GraphQLInt), subscribe: ticks } },
  }),
});

const { host, port, parameters } = readOptions(process.argv.slice(2), {
  init_wait: [duration, 3000],
  message_bytes: [size, 65_536],
});
const web = createServer((_, response) => response.writeHead(426).end());
const sockets = new WebSocketServer({ server: web, path: '/graphql', maxPayload: parameters.message_bytes });
useServer({ schema, connectionInitWaitTimeout: parameters.init_wait }, sockets);
web.listen(port, host, () => console.log(`listening on ws://${host}:${web.address().port}`));
