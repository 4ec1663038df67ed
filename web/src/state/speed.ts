/** How fast something goes on, over the last few seconds. */
export class Speed {
  private samples: { at: number; done: number }[] = [];

  /** Takes what is done by now (bytes) at a time (ms), and returns bytes a second. */
  sample(done: number, at: number): number {
    const last = this.samples.at(-1);
    if (last && done < last.done) this.samples = []; // it has begun again further back
    this.samples.push({ at, done });
    while (this.samples.length > 2 && at - this.samples[0]!.at > 4000) this.samples.shift();
    const first = this.samples[0]!;
    return at > first.at ? ((done - first.done) * 1000) / (at - first.at) : 0;
  }
}
