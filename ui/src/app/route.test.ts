import { expect, it } from 'vitest';
import { fragment, parse, type Route } from './route.svelte';

it.each<Route>([
  { page: 'containers' },
  { page: 'images' },
  { page: 'volumes' },
  { page: 'machine' },
  { page: 'container', id: 'a b/c', tab: 'stats' },
])('$page survives the address', (route) => expect(parse(fragment(route))).toEqual(route));

it('an unknown address is the first page, an unknown tab the first tab', () => {
  expect(parse('#/nowhere')).toEqual({ page: 'containers' });
  expect(parse('#/containers/ab/nowhere')).toEqual({ page: 'container', id: 'ab', tab: 'logs' });
});
