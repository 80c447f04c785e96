// Where the window is: the address's fragment, so that Back works with the keyboard and the mouse.

export type Tab = 'logs' | 'stats' | 'inspect' | 'terminal';
export type Route =
  | { page: 'containers' }
  | { page: 'container'; id: string; tab: Tab }
  | { page: 'images' }
  | { page: 'volumes' }
  | { page: 'machine' };

const tabs: readonly Tab[] = ['logs', 'stats', 'inspect', 'terminal'];

/** Reads `#/containers/<id>/<tab>` and the like; anything else is the first page. */
export function parse(fragment: string): Route {
  const [page, id, tab] = fragment.replace(/^#?\/?/, '').split('/');
  if (page === 'containers' && id) {
    return { page: 'container', id: decodeURIComponent(id), tab: tabs.find((known) => known === tab) ?? 'logs' };
  }
  return page === 'images' || page === 'volumes' || page === 'machine' ? { page } : { page: 'containers' };
}

/** The fragment of a route. */
export function fragment(route: Route): string {
  return route.page === 'container' ? `#/containers/${encodeURIComponent(route.id)}/${route.tab}` : `#/${route.page}`;
}

class Router {
  current = $state.raw<Route>(parse(location.hash));

  constructor() {
    addEventListener('hashchange', () => (this.current = parse(location.hash)));
  }

  go(route: Route): void {
    location.hash = fragment(route);
  }

  /** As {@link go}, without a new entry to go Back to. */
  replace(route: Route): void {
    location.replace(fragment(route));
  }
}

export const router = new Router();
