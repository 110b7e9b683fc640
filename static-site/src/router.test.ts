import { expect, test } from "vitest";
import { routeFor } from "./router";

test.each([
  ["/", { view: "front" }],
  ["/studio", { view: "studio" }],
  ["/studio/", { view: "studio" }],
  ["/library", { view: "library" }],
  ["/library/a%2Fb", { view: "asset", id: "a/b" }],
  ["/library/%E0%A4%A", { view: "not-found" }],
  ["/library/a/b", { view: "not-found" }],
  ["/links", { view: "links" }],
  ["/usage", { view: "usage" }],
  ["/settings", { view: "settings" }],
  ["/goodbye", { view: "goodbye" }],
  ["/generations/a%2Fb", { view: "generation", id: "a/b" }],
  ["/nowhere", { view: "not-found" }],
])("%s", (path, route) => {
  expect(routeFor(path)).toEqual(route);
});
