import { useEffect, useState } from "preact/hooks";
import { get, query } from "../api/client";
import type { Link, Page } from "../api/types";
import { failureText } from "../state/announce";
import { Empty, Spinner } from "../ui/empty";
import { useTitle } from "../ui/title";
import { words } from "../words";
import { LinkRow } from "./link-row";

/** All links of the person, newest first. */
export function LinksPage() {
  useTitle(words.links.title);
  const [links, setLinks] = useState<Link[]>([]);
  const [cursor, setCursor] = useState<string | null | undefined>(undefined);
  const [problem, setProblem] = useState<string | null>(null);
  const read = async (from: string | null) => {
    setProblem(null);
    try {
      const page = await get<Page<Link>>(`/links${query({ limit: 50, cursor: from })}`);
      const keys = new Set(page.items.map((link) => link.key));
      setLinks((before) => (from === null ? page.items : [...before.filter((link) => !keys.has(link.key)), ...page.items]));
      setCursor(page.next_cursor);
    } catch (failure) {
      setProblem(failureText(failure));
    }
  };
  useEffect(() => {
    void read(null);
  }, []);
  const change = (next: Link) => setLinks((before) => before.map((link) => (link.key === next.key ? next : link)));
  const end = (ended: Link) => {
    setLinks((before) => before.filter((link) => link.key !== ended.key));
    // What had the focus is gone.
    document.querySelector<HTMLElement>("main h1")?.focus();
  };
  return (
    <div class="links">
      <h1 tabIndex={-1}>{words.links.title}</h1>
      <p class="muted">{words.links.lead}</p>
      {links.length > 0 && (
        <ul class="link-list link-list-all">
          {links.map((link) => (
            <LinkRow key={link.key} link={link} pictured onChange={change} onEnd={end} />
          ))}
        </ul>
      )}
      {cursor === undefined && problem === null && (
        <div class="page-center">
          <Spinner label={words.common.loading} />
        </div>
      )}
      {cursor === null && links.length === 0 && (
        <Empty icon="link" title={words.links.empty} text={words.links.emptyLead}>
          <a class="button button-primary" href="/library">
            {words.shell.toLibrary}
          </a>
        </Empty>
      )}
      {problem && (
        <p class="hint hint-problem" role="alert">
          {problem}
        </p>
      )}
      {(typeof cursor === "string" || problem) && (
        <button type="button" class="button" onClick={() => void read(cursor ?? null)}>
          {problem ? words.common.retry : words.common.more}
        </button>
      )}
    </div>
  );
}
