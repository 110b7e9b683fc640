import { render } from "preact";
import { App } from "./app";
import { startRouter } from "./router";
import { startDraft } from "./state/draft";
import { startSession } from "./state/session";

startRouter();
startDraft();
startSession();

const root = document.getElementById("app");
if (root) render(<App />, root);
