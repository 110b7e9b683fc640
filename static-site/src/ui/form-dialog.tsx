import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import { Refused } from "../api/client";
import { messagesFor } from "../api/problem";
import type { FieldProblem } from "../api/types";
import { noteFailure } from "../state/announce";
import { Dialog } from "./dialog";

/** A form under way: one attempt at a time. */
export interface Form<Name extends string> {
  id: string;
  busy: boolean;
  submit: () => Promise<void>;
  /** What ties each field to the complaint about it, and the complaint. */
  fields: Record<Name, { attributes: { "aria-invalid"?: true; "aria-describedby"?: string }; problem: ComponentChildren }>;
}

/** A form that `save` sends. What is said about one of `names`, as the API calls the fields, is shown there; the rest is announced. */
export function useForm<Name extends string>(names: readonly Name[], save: () => Promise<void>): Form<Name> {
  const id = useId();
  const [errors, setErrors] = useState<FieldProblem[]>([]);
  const [busy, setBusy] = useState(false);
  const submit = async () => {
    if (busy) return;
    setBusy(true);
    setErrors([]);
    try {
      await save();
    } catch (failure) {
      const said = failure instanceof Refused ? failure.problem.errors : [];
      if (names.some((name) => messagesFor(said, name).length > 0)) setErrors(said);
      else noteFailure(failure);
      setBusy(false);
    }
  };
  const field = (name: Name) => {
    const message = messagesFor(errors, name)[0];
    if (!message) return { attributes: {}, problem: null };
    const problem = (
      <p id={`${id}-${name}-problem`} class="hint hint-problem" role="alert">
        {message}
      </p>
    );
    return { attributes: { "aria-invalid": true, "aria-describedby": `${id}-${name}-problem` }, problem };
  };
  const fields = Object.fromEntries(names.map((name) => [name, field(name)])) as Form<Name>["fields"];
  return { id, busy, submit, fields };
}

interface FormDialogProps {
  title: string;
  /** What the button says that sends it. */
  action: string;
  form: Form<string>;
  /** The API judges the fields, not the browser. */
  unchecked?: boolean;
  onClose: () => void;
  /** The fields. */
  children: ComponentChildren;
}

/** A small form in a dialog, which stays open until it has been taken. */
export function FormDialog({ title, action, form, unchecked = false, onClose, children }: FormDialogProps) {
  return (
    <Dialog
      title={title}
      size="small"
      onClose={onClose}
      cancellable
      footer={
        <button type="submit" form={`${form.id}-form`} class="button button-primary" aria-disabled={form.busy}>
          {action}
        </button>
      }
    >
      <form
        id={`${form.id}-form`}
        class="editor"
        noValidate={unchecked}
        onSubmit={(event) => {
          event.preventDefault();
          void form.submit();
        }}
      >
        {children}
      </form>
    </Dialog>
  );
}
