// Whether the server takes files from this device. One that does has the
// endpoint for it; asking with an empty request makes nothing, because such a
// request is refused.

import { signal } from "@preact/signals";
import { Refused, send } from "../api/client";

export const uploadsOffered = signal<boolean | null>(null);

let asking: Promise<void> | null = null;

/** Finds out once; without an answer uploads are offered, and say themselves why they fail. */
export function askForUploads(): Promise<void> {
  asking ??= send("POST", "/uploads", {}).then(
    () => {
      uploadsOffered.value = true;
    },
    (failure: unknown) => {
      uploadsOffered.value = !(failure instanceof Refused && failure.status === 404);
    },
  );
  return asking;
}
