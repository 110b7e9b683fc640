import { useEffect, useId, useRef, useState } from "preact/hooks";
import { messagesFor } from "../api/problem";
import { uploadRules } from "../api/upload";
import type { Form, ImageSlot, SlotField } from "../form/model-form";
import { setImages } from "../state/draft";
import { dismiss, pickFiles, pickedFromAsset, transfers, typeList } from "../state/picking";
import { submitProblem } from "../state/submit";
import { Icon } from "../ui/icons";
import { words } from "../words";
import { LibraryChooser } from "./library-chooser";

/** Every place for an image that the model has. */
export function ImageInputs({ form, tried }: { form: Form; tried: boolean }) {
  const [target] = form.slots;
  // A pasted image goes where there is room, else into the first place.
  useEffect(() => {
    if (!target) return;
    const onPaste = (event: ClipboardEvent) => {
      const files = [...(event.clipboardData?.files ?? [])].filter((f) => f.type.startsWith("image/"));
      if (files.length === 0) return;
      event.preventDefault();
      const free = form.slots.find((s) => s.picked.length < s.max) ?? target;
      void pickFiles(files, free.slot, free.max - free.picked.length, free.max === 1);
    };
    // A file that misses its place must not replace the page.
    const stay = (event: DragEvent) => {
      if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
    };
    document.addEventListener("paste", onPaste);
    document.addEventListener("dragover", stay);
    document.addEventListener("drop", stay);
    return () => {
      document.removeEventListener("paste", onPaste);
      document.removeEventListener("dragover", stay);
      document.removeEventListener("drop", stay);
    };
  }, [form]);
  if (!target) return null;
  return (
    <div class="slots">
      {form.slots.map((field) => (
        <Slot key={field.slot} field={field} tried={tried} />
      ))}
    </div>
  );
}

function slotLabel(field: SlotField): string {
  if (field.spec.label) return field.spec.label;
  return field.slot === "images" && field.max === 1 ? words.slots.imagesOne : words.slots.names[field.slot];
}

function ruleText(slot: ImageSlot): string {
  const rule = words.slots.rule(typeList(uploadRules.contentTypes), uploadRules.maxBytes);
  return slot === "mask" ? `${words.slots.maskRule} ${rule}` : rule;
}

function Slot({ field, tried }: { field: SlotField; tried: boolean }) {
  const { slot, spec, picked, max } = field;
  const id = useId();
  const file = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const [choosing, setChoosing] = useState(false);
  const label = slotLabel(field);
  const room = max - picked.length;
  const single = max === 1;
  const take = (files: File[]) => void pickFiles(files, slot, room, single);
  const own = field.issue && (tried || field.issue === "size-differs" || field.issue === "too-many") ? words.slots.issues[field.issue] : null;
  const said = own ?? messagesFor(submitProblem.value?.errors ?? [], `inputs.${slot}`)[0] ?? null;
  const described = `${id}-rule${said ? ` ${id}-issue` : ""}`;
  const moving = transfers.value.filter((t) => t.slot === slot);
  return (
    <div
      class={over ? "slot slot-over" : "slot"}
      role="group"
      aria-labelledby={`${id}-label`}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={(event) => {
        if (!(event.relatedTarget instanceof Node && event.currentTarget.contains(event.relatedTarget))) setOver(false);
      }}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        const files = [...(event.dataTransfer?.files ?? [])];
        if (files.length > 0) take(files);
      }}
    >
      <div class="field-head">
        <span id={`${id}-label`} class="slot-label">
          {label}
          {!spec.required && <span class="field-optional"> {words.common.optional}</span>}
        </span>
        {max > 1 && <span class="field-count">{words.form.lengthNow(picked.length, max)}</span>}
      </div>
      <div class="slot-row">
        {picked.map((image, index) => (
          <span key={image.id} class="picked">
            {image.preview ? (
              <img src={image.preview} alt={max > 1 ? words.slots.order(index + 1) : image.name} width={image.width} height={image.height} />
            ) : (
              <Icon name="image" />
            )}
            <button
              type="button"
              class="picked-remove"
              aria-label={words.slots.remove(image.name)}
              onClick={() => setImages(slot, (list) => list.filter((p) => p.id !== image.id))}
            >
              <Icon name="close" />
            </button>
          </span>
        ))}
        {room > 0 && (
          <div class="slot-add">
            <button
              type="button"
              class="slot-file"
              aria-invalid={said !== null}
              aria-describedby={described}
              aria-label={`${label}: ${words.slots.drop}`}
              onClick={() => file.current?.click()}
            >
              <Icon name="add" />
              <span>{words.slots.drop}</span>
            </button>
            {slot !== "mask" && (
              <button
                type="button"
                class="button button-text button-small"
                aria-invalid={said !== null}
                aria-describedby={described}
                aria-label={`${label}: ${words.slots.fromLibrary}`}
                onClick={() => setChoosing(true)}
              >
                <Icon name="library" />
                {words.slots.fromLibrary}
              </button>
            )}
          </div>
        )}
      </div>
      <input
        ref={file}
        type="file"
        class="visually-hidden"
        tabIndex={-1}
        aria-hidden="true"
        accept={uploadRules.contentTypes.join(",")}
        multiple={room > 1}
        onChange={(event) => {
          take([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = "";
        }}
      />
      {moving.map((t) => (
        <div key={t.key} class={t.problem ? "transfer transfer-failed" : "transfer"}>
          {t.problem ? (
            <p class="hint hint-problem" role="alert">
              {t.problem}
            </p>
          ) : (
            <>
              <span class="transfer-name">{t.name}</span>
              {/* When all of it is sent, how long its check takes isn't known. */}
              <progress max={1} value={t.share < 1 ? t.share : undefined} aria-label={words.slots.uploading(t.name, Math.round(t.share * 100))} />
            </>
          )}
          {t.again && (
            <button type="button" class="button button-small" onClick={t.again}>
              {words.common.retry}
            </button>
          )}
          <button
            type="button"
            class="button button-quiet button-icon button-small"
            aria-label={t.problem ? words.common.close : words.common.cancel}
            onClick={() => (t.problem ? dismiss(t.key) : t.cancel())}
          >
            <Icon name="close" />
          </button>
        </div>
      ))}
      <p id={`${id}-rule`} class="hint">
        {ruleText(slot)}
      </p>
      {said && (
        <p id={`${id}-issue`} class="hint hint-problem">
          {said}
        </p>
      )}
      {choosing && (
        <LibraryChooser
          onClose={() => setChoosing(false)}
          onPick={(asset) => {
            setChoosing(false);
            const next = pickedFromAsset(asset);
            setImages(slot, (list) => (single ? [next] : [...list.filter((p) => p.id !== next.id), next]));
          }}
        />
      )}
    </div>
  );
}
