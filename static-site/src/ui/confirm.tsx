import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { noteFailure } from "../state/announce";
import { Dialog } from "./dialog";

interface ConfirmProps {
  title: string;
  /** What the button says that does it. */
  action: string;
  danger?: boolean;
  /** Something is still missing before it may be done. */
  disabled?: boolean;
  onConfirm: () => Promise<void>;
  onClose: () => void;
  children: ComponentChildren;
}

/** Asks before something that has no way back. Stays open when it fails. */
export function Confirm({ title, action, danger = false, disabled = false, onConfirm, onClose, children }: ConfirmProps) {
  const [busy, setBusy] = useState(false);
  const confirm = async () => {
    if (busy || disabled) return;
    setBusy(true);
    try {
      await onConfirm();
    } catch (failure) {
      noteFailure(failure);
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={title}
      size="small"
      onClose={onClose}
      cancellable
      footer={
        <button
          type="button"
          class={danger ? "button button-danger" : "button button-primary"}
          aria-disabled={busy || disabled}
          onClick={() => void confirm()}
        >
          {action}
        </button>
      }
    >
      {children}
    </Dialog>
  );
}
