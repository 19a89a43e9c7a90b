/**
 * Web streams from async iterators.
 *
 * Always: nothing is read before it is asked for; cancelling a stream ends what it reads from. Does not know: that.
 */
interface Controller<R> {
  enqueue(chunk: R): void;
  close(): void;
}

interface Source<R> {
  pull(controller: Controller<R>): Promise<void>;
  cancel(): Promise<void>;
}

type Streams = new <R>(source: Source<R>, strategy: { highWaterMark: number }) => ReadableStream<R>;

/** @internal A stream of what an iterator gives. */
export function streamOf<R>(from: AsyncIterator<R, unknown>): ReadableStream<R> {
  const Stream = (globalThis as unknown as { ReadableStream: Streams }).ReadableStream;
  return new Stream<R>(
    {
      async pull(controller) {
        const next = await from.next();
        if (next.done === true) controller.close();
        else controller.enqueue(next.value);
      },
      async cancel() {
        await from.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}
