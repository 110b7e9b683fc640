import { announcement, dropNote, notes } from "../state/announce";
import { words } from "../words";
import { Icon } from "./icons";

/** The notes that come and go, and the line that only screen readers hear. */
export function Notes() {
  return (
    <>
      <div class="visually-hidden" role="status" aria-live="polite" data-announcements>
        {announcement.value}
      </div>
      <div class="notes" role="status" aria-live="polite">
        {notes.value.map((entry) => (
          <div key={entry.id} class={`note note-${entry.tone}`}>
            {entry.tone === "problem" && <Icon name="alert" />}
            <span>{entry.text}</span>
            {entry.action && (
              <button
                type="button"
                class="button button-text"
                onClick={() => {
                  entry.action?.run();
                  dropNote(entry.id);
                }}
              >
                {entry.action.label}
              </button>
            )}
            <button
              type="button"
              class="button button-quiet button-icon button-small"
              aria-label={words.common.close}
              onClick={() => dropNote(entry.id)}
            >
              <Icon name="close" />
            </button>
          </div>
        ))}
      </div>
    </>
  );
}
