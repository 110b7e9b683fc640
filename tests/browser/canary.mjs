// Strings that would run something if they got into a page as anything but
// text, and a canary that tells. Each calls `xss()`.

/** 50, at most 60 characters each: as long as the shortest name may be. */
export const strings = [
  "<script>xss()</script>",
  '"><script>xss()</script>',
  "'><script>xss()</script>",
  "</title><script>xss()</script>",
  "</textarea><script>xss()</script>",
  "</script><script>xss()</script>",
  "<ScRiPt>xss()</sCrIpT>",
  "<img src=x onerror=xss()>",
  '"><img src=x onerror=xss()>',
  "'><img src=x onerror=xss()>",
  "<svg onload=xss()>",
  '"><svg/onload=xss()>',
  "<svg><script>xss()</script></svg>",
  "<svg><animate onbegin=xss() attributeName=x dur=1s>",
  "<body onload=xss()>",
  "<iframe src=javascript:parent.xss()>",
  '<iframe srcdoc="<script>parent.xss()</script>">',
  '<a href="javascript:xss()">a</a>',
  "javascript:xss()",
  "java&#9;script:xss()",
  '<math href="javascript:xss()">x</math>',
  '" onmouseover="xss()',
  "' onfocus='xss()' autofocus='",
  '" autofocus onfocus="xss()',
  "<input autofocus onfocus=xss()>",
  "<select autofocus onfocus=xss()>",
  "<details open ontoggle=xss()>",
  "<video><source onerror=xss()></video>",
  "<audio src=x onerror=xss()>",
  '<object data="javascript:xss()">',
  '<embed src="javascript:xss()">',
  '<base href="//evil.invalid/">',
  '<meta http-equiv=refresh content="0;javascript:xss()">',
  "<link rel=stylesheet href=//evil.invalid/x.css>",
  '<style>@import "//evil.invalid/x.css"</style>',
  '<div style="background:url(javascript:xss())">',
  '<form action="javascript:xss()"><button>go</form>',
  "<marquee onstart=xss()>",
  "&lt;script&gt;xss()&lt;/script&gt;",
  "&#60;img src=x onerror=xss()&#62;",
  "\\u003cscript\\u003exss()\\u003c/script\\u003e",
  "%3Cscript%3Exss()%3C/script%3E",
  "{{constructor.constructor('xss()')()}}",
  "${xss()}`${xss()}`",
  "#{xss()}<%= xss() %>",
  "]]><script>xss()</script>",
  "<!--><img src=x onerror=xss()>-->",
  '<noscript><p title="</noscript><img src=x onerror=xss()>">',
  "<template><script>xss()</script></template>",
  "＜script＞xss()＜/script＞",
];

/** Watches every page of `context`: what ran, what asked, and what the content security policy had to stop. */
export async function watch(context) {
  const seen = [];
  await context.exposeBinding("xss", ({ page }) => void seen.push(`ran on ${page.url()}`));
  await context.exposeBinding("policyBroken", (_, what) => void seen.push(what));
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      globalThis.policyBroken(`${event.violatedDirective} ${event.blockedURI} on ${event.documentURI}`);
    });
  });
  context.on("page", (page) => page.on("dialog", (dialog) => (seen.push(`a dialog on ${page.url()}`), dialog.dismiss())));
  return seen;
}
