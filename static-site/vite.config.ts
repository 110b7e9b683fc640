import { defineConfig } from "vitest/config";

// The dev server forwards everything that isn't the site itself to a running
// back end. The Origin header is rewritten because the back end accepts state
// changes from its own origin only.
const backEnd = "http://localhost:8080";
const forwarded = ["/api", "/auth", "/media", "/uploads", "/downloads", "/s", "/docs"];

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  server: {
    proxy: Object.fromEntries(
      forwarded.map((prefix) => [
        `^${prefix}(/|$)`,
        { target: backEnd, headers: { origin: backEnd }, xfwd: false },
      ]),
    ),
  },
  build: {
    target: ["es2023", "chrome125", "firefox128", "safari17.5"],
    // The oldest browsers with `light-dark()` and CSS nesting, so that the
    // styles ship as they are written; an `es` target would stand for older ones.
    cssTarget: ["chrome125", "firefox128", "safari17.5"],
    // The content security policy allows no `data:` styles or fonts, and an
    // inlined file couldn't be cached by its hash.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
  },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
