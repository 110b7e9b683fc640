import type { Listing } from "../lib/load";
import { words } from "../words";
import { Spinner } from "./empty";

/** What stands below a list: it loads, it goes on, or it couldn't be read. */
export function More({ list }: { list: Pick<Listing<unknown>, "loading" | "problem" | "more" | "next"> }) {
  if (list.loading) {
    return (
      <p class="list-loading">
        <Spinner label={words.common.loading} />
      </p>
    );
  }
  if (!list.problem && !list.more) return null;
  return (
    <>
      {list.problem && (
        <p class="hint hint-problem" role="alert">
          {list.problem}
        </p>
      )}
      <div>
        <button type="button" class="button" onClick={list.next}>
          {list.problem ? words.common.retry : words.common.more}
        </button>
      </div>
    </>
  );
}
