import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { words } from "../words";
import { Icon } from "./icons";

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  footer?: ComponentChildren;
  /** A button that closes it stands before the footer's own. */
  cancellable?: boolean;
  size?: "small" | "medium" | "large";
  /** A press beside it doesn't close it: what it shows isn't shown again. */
  steady?: boolean;
}

/**
 * A modal dialog for as long as it is rendered. The browser holds the focus
 * inside, closes it on Escape and gives the focus back.
 */
export function Dialog({ title, onClose, children, footer, cancellable = false, size = "medium", steady = false }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    dialog?.showModal();
    return () => {
      dialog?.close();
      // Removal from the page loses the browser's own memory of the focus.
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      ref={element}
      class={`dialog dialog-${size}`}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        event.stopPropagation();
        onClose();
      }}
      onMouseDown={(event) => {
        if (event.target === element.current && !steady) onClose();
      }}
    >
      <div class="dialog-frame">
        <header class="dialog-head">
          <h2 id={heading}>{title}</h2>
          <button type="button" class="button button-quiet button-icon" aria-label={words.common.close} onClick={onClose}>
            <Icon name="close" />
          </button>
        </header>
        <div class="dialog-body">{children}</div>
        {footer && (
          <footer class="dialog-foot">
            {cancellable && (
              <button type="button" class="button" onClick={onClose}>
                {words.common.cancel}
              </button>
            )}
            {footer}
          </footer>
        )}
      </div>
    </dialog>
  );
}
