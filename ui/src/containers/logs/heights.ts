// Where each of many rows of different heights is: a Fenwick tree, so that a lookup and a change take log n steps.

export class Heights {
  #heights: number[] = [];
  #tree: number[] = [0];

  /** `each` is the height of a row that has not been measured. */
  constructor(readonly each: number) {}

  get count(): number {
    return this.#heights.length;
  }

  /** Makes it `count` rows, new ones unmeasured; `reset` forgets all that was measured. */
  resize(count: number, reset = false): void {
    if (reset || count < this.#heights.length) {
      this.#heights = [];
      this.#tree = [0];
    }
    while (this.#heights.length < count) {
      const at = this.#heights.push(this.each);
      // The node of row `at` sums the rows it covers: the new one and the finished nodes below it.
      let sum = this.each;
      for (let child = at - 1; child > at - (at & -at); child -= child & -child) sum += this.#tree[child] ?? 0;
      this.#tree[at] = sum;
    }
  }

  /** Forgets the first `count` rows. */
  drop(count: number): void {
    const rest = this.#heights.slice(count);
    this.resize(0, true);
    this.resize(rest.length);
    rest.forEach((height, at) => this.set(at, height));
  }

  /** Row `at` was measured; answers how much higher it is than it was thought to be. */
  set(at: number, height: number): number {
    const change = height - (this.#heights[at] ?? height);
    if (change === 0) return 0;
    this.#heights[at] = height;
    for (let node = at + 1; node < this.#tree.length; node += node & -node) this.#tree[node] = (this.#tree[node] ?? 0) + change;
    return change;
  }

  /** The sum of the first `at` rows: where row `at` begins. */
  top(at: number): number {
    let sum = 0;
    for (let node = Math.min(at, this.count); node > 0; node -= node & -node) sum += this.#tree[node] ?? 0;
    return sum;
  }

  /** The height of all rows. */
  get total(): number {
    return this.top(this.count);
  }

  /** The row at `y`; the last one below the end. */
  at(y: number): number {
    let node = 0;
    let left = y;
    for (let step = 1 << Math.floor(Math.log2(this.count || 1)); step > 0; step >>= 1) {
      const next = node + step;
      if (next <= this.count && (this.#tree[next] ?? 0) <= left) {
        node = next;
        left -= this.#tree[next] ?? 0;
      }
    }
    return Math.max(0, Math.min(node, this.count - 1));
  }
}
