import { place, routeFor } from "../router";
import { Empty } from "../ui/empty";
import { Mark } from "../ui/icons";
import { useTitle } from "../ui/title";
import { words } from "../words";
import { Gallery } from "./gallery";

// The code comes from the address, where anybody may write anything.
function known<T>(words: Record<string, T>, code: string): T | undefined {
  return Object.hasOwn(words, code) ? words[code] : undefined;
}

function problemFor(code: string): string | undefined {
  return known(words.front.problems, code) ?? words.front.problems["sign-in-failed"];
}

/** Someone whom the site doesn't let in, with the reason. */
function TurnedAway({ title, text }: { title: string; text: string }) {
  useTitle(title);
  return (
    <main class="page-center">
      <Empty level={1} icon="lock" title={title} text={text}>
        <a class="button button-primary" href="/auth/login?next=%2Fstudio">
          {words.front.otherAccount}
        </a>
        <a class="button" href="/">
          {words.front.home}
        </a>
      </Empty>
    </main>
  );
}

/** What someone sees who isn't signed in, on whatever page they wanted to be. */
export function Front() {
  const refusal = known(words.front.refusals, place.value.query.get("problem") ?? "");
  return refusal ? <TurnedAway {...refusal} /> : <Welcome />;
}

function Welcome() {
  useTitle(words.product);
  const { path, query } = place.value;
  const wanted = routeFor(path).view === "front" ? "/studio" : path + (query.size > 0 ? `?${query}` : "");
  const problem = query.get("problem");
  const returning = wanted !== "/studio";
  return (
    <main class="front">
      <div class="front-brand">
        <Mark />
        <span>{words.product}</span>
      </div>
      <div class="front-words">
        <h1>{words.front.title}</h1>
        <p class="front-lead">{returning ? words.front.signInAgainLead : words.front.lead}</p>
        {problem && (
          <p class="hint hint-problem" role="alert">
            {problemFor(problem)}
          </p>
        )}
        <a class="button button-primary button-large" href={`/auth/login?next=${encodeURIComponent(wanted)}`}>
          {returning ? words.front.signInAgain : words.front.signIn}
        </a>
      </div>
      <Gallery />
      <ul class="front-points">
        {words.front.points.map((point) => (
          <li key={point.title}>
            <h2>{point.title}</h2>
            <p>{point.text}</p>
          </li>
        ))}
      </ul>
      <p class="front-note muted">{words.front.artNote}</p>
    </main>
  );
}
