import { rgbaToThumbHash } from "thumbhash";
import { describe, expect, test } from "vitest";
import { expectedRatio, ratioOf } from "./aspect";
import { ago, bytes, clock, duration, excerpt, letters, money, month, shortMonth } from "./format";
import { appendPage, insertAt, refreshFront, replaceItem } from "./pages";
import { decodePlaceholder } from "./placeholder";

const items = (...ids: string[]) => ids.map((id) => ({ id }));
const ids = (list: { id: string }[]) => list.map((i) => i.id).join("");

describe("pages", () => {
  test("an entry that comes twice keeps its place and takes the newer content", () => {
    const merged = appendPage([{ id: "a", n: 1 }, { id: "b", n: 1 }], [{ id: "b", n: 2 }, { id: "c", n: 2 }]);
    expect(merged).toEqual([{ id: "a", n: 1 }, { id: "b", n: 2 }, { id: "c", n: 2 }]);
  });

  test("a fresh first page goes in front once", () => {
    expect(ids(refreshFront(items("b", "c", "d"), items("a", "b")))).toBe("abcd");
  });

  test("an entry goes back to its place, or to the end of a shorter list", () => {
    expect(ids(insertAt(items("a", "c"), { id: "b" }, 1))).toBe("abc");
    expect(ids(insertAt(items("a"), { id: "b" }, 9))).toBe("ab");
    expect(ids(insertAt(items("a", "b"), { id: "b" }, 0))).toBe("ba");
  });

  test("replacing changes one entry only", () => {
    expect(replaceItem([{ id: "a", n: 1 }, { id: "b", n: 1 }], { id: "b", n: 2 })).toEqual([{ id: "a", n: 1 }, { id: "b", n: 2 }]);
  });
});

describe("aspect", () => {
  test.each([
    ["16:9", 16 / 9],
    ["1024x768", 4 / 3],
    ["square_hd", 1],
    ["landscape_16_9", 16 / 9],
    ["portrait_16_9", 9 / 16],
    ["portrait_4_3", 3 / 4],
    ["auto", null],
    ["0:5", null],
    [7, null],
  ])("%s is %s", (value, ratio) => {
    expect(ratioOf(value)).toBe(ratio);
  });

  test("the expected shape comes from sizes first, then from names", () => {
    expect(expectedRatio({ width: 200, height: 100, aspect: "1:1" })).toBe(2);
    expect(expectedRatio({ image_size: "portrait_4_3" })).toBe(0.75);
    expect(expectedRatio({ style: "16:9", seed: 3 })).toBe(1);
  });
});

describe("placeholder", () => {
  test("a thumbhash gives its picture back", () => {
    const rgba = new Uint8Array(8 * 4 * 4).map((_, i) => (i % 4 === 3 ? 255 : i % 4 === 0 ? 220 : 30));
    const hash = btoa(String.fromCharCode(...rgbaToThumbHash(8, 4, rgba)));
    const pixels = decodePlaceholder(hash);
    expect(pixels?.width).toBe(32);
    expect(pixels?.rgba.length).toBe((pixels?.width ?? 0) * (pixels?.height ?? 0) * 4);
    const [r = 0, g = 0] = pixels?.rgba ?? [];
    expect(r).toBeGreaterThan(180);
    expect(g).toBeLessThan(80);
  });

  test.each(["", "AA", "not base64!", "A".repeat(400)])("%j is no picture", (hash) => {
    expect(decodePlaceholder(hash)).toBeNull();
  });
});

describe("format", () => {
  test("money keeps what matters of small prices", () => {
    expect(money({ amount: "0.0125", currency: "USD" })).toBe("$0.0125");
    expect(money({ amount: "0.0400", currency: "USD" })).toBe("$0.04");
    expect(money({ amount: "3.2", currency: "USD" })).toBe("$3.20");
  });

  test("sizes, clocks, months and excerpts", () => {
    expect(bytes(812345)).toBe("812 kB");
    expect(bytes(10 * 1000 * 1000)).toBe("10 MB");
    expect(clock(75.9)).toBe("1:15");
    expect(clock(-3)).toBe("0:00");
    expect(month("2026-11")).toBe("November 2026");
    expect([shortMonth("2026-01", "narrow"), shortMonth("2026-01", "short"), shortMonth("2026-01", "year")]).toEqual(["J", "Jan", "Jan 26"]);
    expect([duration(42), duration(3 * 3600 + 61), duration(6 * 86_400)]).toEqual(["0:42", "3 h 2 min", "6 days"]);
    expect(excerpt("one two  three four", 12)).toBe("one two…");
    expect(excerpt("short", 12)).toBe("short");
    expect(letters("a🚢")).toBe(2);
  });

  test("times ago, in the unit that fits", () => {
    const now = Date.parse("2026-01-10T12:00:00Z");
    expect(ago("2026-01-10T11:59:55Z", now)).toBe("now");
    expect(ago("2026-01-10T11:58:00Z", now)).toBe("2 minutes ago");
    expect(ago("2026-01-09T12:00:00Z", now)).toBe("yesterday");
    expect(ago("2025-12-01T12:00:00Z", now)).toBe("Dec 1, 2025");
  });
});
