import { useEffect } from "preact/hooks";
import type { Asset } from "../api/types";
import { failureText } from "../state/announce";
import { assetList, loadMore, noFilters, refreshIfStale } from "../state/library";
import { Dialog } from "../ui/dialog";
import { Empty, Spinner } from "../ui/empty";
import { Tile } from "../ui/tile";
import { words } from "../words";

/** Picks one image of the library for the form. */
export function LibraryChooser({ onPick, onClose }: { onPick: (asset: Asset) => void; onClose: () => void }) {
  const list = assetList({ ...noFilters, kind: "image" });
  useEffect(() => {
    if (list.cursor === undefined) void loadMore(list);
    else void refreshIfStale(list);
  }, [list]);
  const items = list.items.value;
  const load = list.load.value;
  return (
    <Dialog title={words.slots.chooserTitle} size="large" onClose={onClose}>
      {items.length === 0 && load === "idle" && list.ended.value && <Empty icon="image" title={words.slots.chooserEmpty} />}
      <ul class="grid grid-small">
        {items.map((asset) => (
          <Tile key={asset.id} asset={asset} sizes="200px" onPick={() => onPick(asset)} />
        ))}
      </ul>
      <div class="grid-end">
        {load === "loading" && <Spinner label={words.common.loading} />}
        {load === "failed" && <p class="hint hint-problem">{failureText(list.failure.value)}</p>}
        {load !== "loading" && !list.ended.value && (
          <button type="button" class="button" onClick={() => void loadMore(list)}>
            {load === "failed" ? words.common.retry : words.common.more}
          </button>
        )}
      </div>
    </Dialog>
  );
}
