import { useEffect, useState } from "preact/hooks";
import { get, send, serverNow } from "../api/client";
import { follow, jobPace } from "../api/poll";
import type { ExportJob } from "../api/types";
import { ago, date } from "../lib/format";
import { useListing } from "../lib/load";
import { replaceItem, withoutItem } from "../lib/pages";
import { announce, noteFailure } from "../state/announce";
import { Spinner } from "../ui/empty";
import { Icon } from "../ui/icons";
import { More } from "../ui/more";
import { words } from "../words";
import { Section } from "./section";

const isUnderWay = (job: ExportJob) => job.state === "queued" || job.state === "running";

/** The newest export: started here, followed, and found again after a reload. */
export function Exports() {
  const list = useListing<ExportJob>("/exports", (job) => job.id, 5);
  const [busy, setBusy] = useState(false);
  const job = list.items[0];
  const followed = job && isUnderWay(job) ? job.id : null;
  useEffect(() => {
    if (followed === null) return;
    const end = new AbortController();
    void follow<ExportJob>(
      `/exports/${encodeURIComponent(followed)}`,
      jobPace,
      (next) => {
        list.change((before) => replaceItem(before, next));
        if (next.state === "ready") announce(words.settings.exportAnnounced);
        return isUnderWay(next);
      },
      () => list.change((before) => withoutItem(before, followed)),
      end.signal,
    );
    return () => end.abort();
  }, [followed]);
  const start = async () => {
    if (busy) return;
    setBusy(true);
    try {
      const started = await send<ExportJob>("POST", "/exports");
      list.change((before) => [started, ...withoutItem(before, started.id)]);
    } catch (failure) {
      noteFailure(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Section
      title={words.settings.exports}
      lead={words.settings.exportsLead}
      action={
        !followed &&
        !list.loading &&
        !list.problem && (
          <button type="button" class="button button-small" aria-disabled={busy} onClick={() => void start()}>
            {words.settings.startExport}
          </button>
        )
      }
    >
      {job && <State job={job} />}
      <More list={{ ...list, more: false }} />
    </Section>
  );
}

function State({ job }: { job: ExportJob }) {
  const ended = job.expires_at !== null && Date.parse(job.expires_at) <= serverNow();
  if (job.state === "ready" && ended) return <p class="muted">{words.settings.exportEnded}</p>;
  const download = async () => {
    try {
      // The address of a page that has stood open for a while would be over.
      const { url } = await get<ExportJob>(`/exports/${encodeURIComponent(job.id)}`);
      if (url !== null) location.assign(url);
    } catch (failure) {
      noteFailure(failure);
    }
  };
  const facts = [
    words.settings.exportStarted(ago(job.created_at, serverNow())),
    job.bytes === null ? null : words.settings.exportSize(job.bytes),
    job.expires_at === null ? null : words.settings.exportUntil(date(job.expires_at)),
  ];
  return (
    <div class="list-entry">
      {isUnderWay(job) && <Spinner label={words.settings.exportStates[job.state]} />}
      <div class="list-entry-text">
        <strong class={job.state === "failed" ? "hint-problem" : undefined}>{words.settings.exportStates[job.state]}</strong>
        <span class="muted">{facts.filter(Boolean).join(" · ")}</span>
      </div>
      {job.state === "ready" && (
        <button type="button" class="button button-primary" onClick={() => void download()}>
          <Icon name="download" />
          {words.settings.download}
        </button>
      )}
    </div>
  );
}
