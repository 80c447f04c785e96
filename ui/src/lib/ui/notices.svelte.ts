// Short messages at the window's corner. Bad news stays until it is closed.

export interface Notice {
  id: number;
  kind: 'good' | 'bad';
  title: string;
  detail: string;
}

const STAYS_MS = 4000;
const MOST = 4;

export const notices = $state<Notice[]>([]);
let last = 0;

export function notify(kind: Notice['kind'], title: string, detail = ''): void {
  const id = ++last;
  notices.push({ id, kind, title, detail });
  if (notices.length > MOST) notices.shift();
  if (kind === 'good') setTimeout(() => dismiss(id), STAYS_MS);
}

export function dismiss(id: number): void {
  const at = notices.findIndex((notice) => notice.id === id);
  if (at >= 0) notices.splice(at, 1);
}
