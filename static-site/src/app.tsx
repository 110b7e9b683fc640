import { Component, type ComponentChildren } from "preact";
import { useEffect, useLayoutEffect } from "preact/hooks";
import { Deleting, Goodbye } from "./account/leaving";
import { AccountMenu } from "./account/menu";
import { Shortcuts, startShortcuts } from "./account/shortcuts";
import { AssetPage } from "./asset/asset-page";
import { Front } from "./landing/front";
import { LibraryPage } from "./library/library-page";
import { LinksPage } from "./links/links-page";
import { moves, navigate, place, routeFor, takeScroll } from "./router";
import { SettingsPage } from "./settings/settings-page";
import { note, noteFailure } from "./state/announce";
import { startGenerations } from "./state/generations";
import { loadModels } from "./state/models";
import { refreshMe, session, signOut } from "./state/session";
import { resumePending } from "./state/submit";
import { GenerationPage } from "./studio/generation-page";
import { Studio } from "./studio/studio";
import { Empty, Spinner } from "./ui/empty";
import { Icon, Mark } from "./ui/icons";
import { Notes } from "./ui/notes";
import { useTitle } from "./ui/title";
import { UsagePage } from "./usage/usage-page";
import { words } from "./words";

export function App() {
  return (
    <Guard>
      <Views />
      <Notes />
    </Guard>
  );
}

function Views() {
  const current = session.value;
  switch (current.state) {
    case "loading":
      return (
        <main class="page-center">
          <Spinner label={words.common.loading} />
        </main>
      );
    case "signed-out":
      return routeFor(place.value.path).view === "goodbye" ? <Goodbye /> : <Front />;
    case "deleting":
      return <Deleting until={current.until} />;
    case "suspended":
      return (
        <main class="page-center">
          <Empty level={1} icon="lock" title={words.shell.suspendedTitle} text={words.shell.suspended}>
            <button type="button" class="button" onClick={() => void signOut().catch(noteFailure)}>
              {words.account.signOut}
            </button>
          </Empty>
        </main>
      );
    case "unreachable":
      return (
        <main class="page-center">
          <Empty level={1} icon="alert" title={words.shell.unreachableTitle} text={words.shell.unreachable}>
            <button type="button" class="button button-primary" onClick={() => void refreshMe()}>
              {words.common.retry}
            </button>
          </Empty>
        </main>
      );
    case "signed-in":
      return <SignedIn />;
  }
}

function SignedIn() {
  useEffect(() => {
    void loadModels();
    startGenerations();
    void resumePending();
    return startShortcuts();
  }, []);
  useConnectionNotes();
  const route = routeFor(place.value.path);
  useEffect(() => {
    if (route.view === "front" || route.view === "goodbye") navigate("/studio", { replace: true });
  }, [route.view]);

  const id = route.view === "asset" ? route.id : "";
  const move = moves.value;
  useLayoutEffect(() => {
    if (move === 0) return;
    window.scrollTo(0, takeScroll());
    // The new page's heading tells a screen reader where it is now.
    document.querySelector<HTMLElement>("main h1")?.focus({ preventScroll: true });
  }, [move]);

  return (
    <>
      <a class="skip" href="#main">
        {words.common.skip}
      </a>
      <TopBar view={route.view} />
      <main id="main" class={`view view-${route.view}`} tabIndex={-1}>
        {route.view === "studio" && <Studio />}
        {route.view === "library" && <LibraryPage />}
        {route.view === "asset" && <AssetPage key={id} id={id} />}
        {route.view === "links" && <LinksPage />}
        {route.view === "usage" && <UsagePage />}
        {route.view === "settings" && <SettingsPage />}
        {route.view === "generation" && <GenerationPage key={route.id} id={route.id} />}
        {route.view === "not-found" && <NotFound />}
      </main>
      <Shortcuts />
    </>
  );
}

function TopBar({ view }: { view: string }) {
  const inLibrary = view === "library" || view === "asset";
  return (
    <header class="top">
      <a class="brand" href="/studio" aria-label={words.nav.home}>
        <Mark />
        <span class="brand-name">{words.product}</span>
      </a>
      <nav class="top-nav" aria-label={words.nav.label}>
        <a class="top-link" href="/studio" aria-current={view === "studio" ? "page" : undefined}>
          <Icon name="spark" />
          <span>{words.nav.studio}</span>
        </a>
        <a class="top-link" href="/library" aria-current={inLibrary ? "page" : undefined}>
          <Icon name="library" />
          <span>{words.nav.library}</span>
        </a>
      </nav>
      <AccountMenu />
    </header>
  );
}

function NotFound() {
  useTitle(words.shell.notFoundTitle);
  return (
    <Empty level={1} icon="search" title={words.shell.notFoundTitle} text={words.shell.notFound}>
      <a class="button button-primary" href="/studio">
        {words.shell.toStudio}
      </a>
      <a class="button" href="/library">
        {words.shell.toLibrary}
      </a>
    </Empty>
  );
}

function useConnectionNotes() {
  useEffect(() => {
    const offline = () => note(words.shell.offline, { tone: "problem" });
    const online = () => note(words.shell.backOnline);
    window.addEventListener("offline", offline);
    window.addEventListener("online", online);
    return () => {
      window.removeEventListener("offline", offline);
      window.removeEventListener("online", online);
    };
  }, []);
}

/** Catches a fault in a view, so that the person gets words instead of a blank page. */
class Guard extends Component<{ children: ComponentChildren }, { broken: boolean }> {
  override state = { broken: false };

  static override getDerivedStateFromError() {
    return { broken: true };
  }

  override componentDidCatch(error: unknown) {
    console.error(error);
  }

  render() {
    if (!this.state.broken) return this.props.children;
    return (
      <main class="page-center">
        <Empty level={1} icon="alert" title={words.shell.reloadTitle} text={words.shell.reloadText}>
          <button type="button" class="button button-primary" onClick={() => location.reload()}>
            {words.shell.reload}
          </button>
        </Empty>
      </main>
    );
  }
}
