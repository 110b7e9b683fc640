// One subject in four hands, drawn as vectors: what the product does, without
// passing off anything as a model's work.

export function Gallery() {
  return (
    <div class="gallery" aria-hidden="true">
      <Dusk />
      <Night />
      <Paper />
      <Lines />
    </div>
  );
}

function Dusk() {
  return (
    <svg class="gallery-dusk" viewBox="0 0 480 360" preserveAspectRatio="xMidYMid slice">
      <defs>
        <linearGradient id="dusk-sky" x1="0" y1="0" x2="0" y2="1">
          <stop offset="0" stop-color="#2b2a4c" />
          <stop offset=".45" stop-color="#a8506a" />
          <stop offset=".72" stop-color="#f09a5b" />
          <stop offset="1" stop-color="#ffd48a" />
        </linearGradient>
        <linearGradient id="dusk-sea" x1="0" y1="0" x2="0" y2="1">
          <stop offset="0" stop-color="#c46a5c" />
          <stop offset="1" stop-color="#241f38" />
        </linearGradient>
        <linearGradient id="dusk-beam" x1="1" y1="0" x2="0" y2="0">
          <stop offset="0" stop-color="#fff2c9" stop-opacity=".85" />
          <stop offset="1" stop-color="#fff2c9" stop-opacity="0" />
        </linearGradient>
      </defs>
      <rect width="480" height="360" fill="url(#dusk-sky)" />
      <circle cx="150" cy="238" r="38" fill="#ffe3ad" />
      <rect y="240" width="480" height="120" fill="url(#dusk-sea)" />
      <path d="M90 252h120M70 268h160M104 284h92M82 302h140" stroke="#ffd9a0" stroke-width="3" stroke-linecap="round" opacity=".7" />
      <path d="M346 112 0 40v96z" fill="url(#dusk-beam)" />
      <path d="M250 360c20-70 60-96 104-98 56-2 96 30 126 60v38z" fill="#1d1a2b" />
      <path d="M332 264l9-134h26l9 134z" fill="#f6ead8" />
      <path d="M337.500 184h33l2 30h-37zM334 234h40l2 30h-44z" fill="#c2473f" />
      <path d="M336 130h36v-8h-36zM342 122v-20h24v20zM338 102l16-16 16 16z" fill="#2a2438" />
      <rect x="346" y="105" width="16" height="15" fill="#fff2c9" />
    </svg>
  );
}

function Night() {
  return (
    <svg class="gallery-night" viewBox="0 0 300 400" preserveAspectRatio="xMidYMid slice">
      <defs>
        <radialGradient id="night-sky" cx=".7" cy=".2" r="1">
          <stop offset="0" stop-color="#2f5d74" />
          <stop offset=".5" stop-color="#14304a" />
          <stop offset="1" stop-color="#0a1526" />
        </radialGradient>
      </defs>
      <rect width="300" height="400" fill="url(#night-sky)" />
      <circle cx="216" cy="84" r="30" fill="#f3ecd2" />
      <circle cx="203" cy="76" r="27" fill="#2a5168" />
      <g fill="#f3ecd2">
        {[
          [40, 50, 1.5], [86, 96, 1], [120, 36, 1.8], [60, 150, 1.2], [160, 130, 1], [266, 160, 1.6],
          [30, 210, 1], [250, 30, 1], [180, 200, 1.2], [280, 220, 1], [100, 190, 1.6], [20, 110, 1.1],
        ].map(([cx, cy, r]) => (
          <circle key={`${cx}-${cy}`} cx={cx} cy={cy} r={r} />
        ))}
      </g>
      <path d="M0 330c40-14 70 10 110-2s60-18 100-4 60 6 90-4v80H0z" fill="#0b1c30" />
      <path d="M0 356c50-16 90 8 140-4s100-10 160 4v44H0z" fill="#07121f" />
      <path d="M118 330l7-112h22l7 112z" fill="#d8e2e4" />
      <path d="M120.500 290h31l1.500 24h-34zM123 250h26l1.500 22h-29z" fill="#35647c" />
      <path d="M121 218h30v-7h-30zM126 211v-17h20v17zM122 194l14-13 14 13z" fill="#07121f" />
      <path d="M136 203 300 150v106z" fill="#ffe9a8" opacity=".28" />
      <rect x="130" y="197" width="12" height="12" fill="#ffe9a8" />
    </svg>
  );
}

function Paper() {
  return (
    <svg class="gallery-paper" viewBox="0 0 360 360" preserveAspectRatio="xMidYMid slice">
      <rect width="360" height="360" fill="#efe3cf" />
      <circle cx="250" cy="110" r="58" fill="#e2694a" />
      <path d="M0 250c60-46 120-46 180-16s120 26 180-14v140H0z" fill="#3f7f7a" />
      <path d="M0 286c70-32 130-22 190-4s110 12 170-12v90H0z" fill="#2c5c62" />
      <path d="M0 322c80-24 140-8 200-2s100 4 160-10v50H0z" fill="#1f4149" />
      <path d="M96 268l12-150h34l12 150z" fill="#fbf6ea" />
      <path d="M104 170h42l4 38h-49zM99 232h52l3 36H96z" fill="#e0a63c" />
      <path d="M100 118h50v-10h-50zM108 108V84h34v24zM102 84l23-22 23 22z" fill="#1f4149" />
      <rect x="114" y="88" width="22" height="18" fill="#f7d774" />
    </svg>
  );
}

function Lines() {
  return (
    <svg class="gallery-lines" viewBox="0 0 480 300" preserveAspectRatio="xMidYMid slice">
      <rect width="480" height="300" fill="#16150f" />
      <g fill="none" stroke="#f0b35c" stroke-width="2.500" stroke-linecap="round" stroke-linejoin="round">
        <path d="M226 236l9-126h30l9 126M229 196h42M232 158h36M228 110h44v-9h-44zM236 101V80h28v21M230 80l20-18 20 18zM250 62V50" />
        <path d="M140 252c30-22 60-28 96-18M274 236c40-8 70 2 100 22" />
        <path d="M20 262c20-12 40-12 60 0s40 12 60 0 40-12 60 0 40 12 60 0 40-12 60 0 40 12 60 0 40-12 60 0M50 282c20-10 40-10 60 0s40 10 60 0 40-10 60 0 40 10 60 0 40-10 60 0 40 10 60 0" opacity=".7" />
        <path d="M282 84l150-34M284 92h160M282 100l150 34M218 84 68 50M216 92H56M218 100 68 134" opacity=".55" />
        <path d="M96 196c8-8 14-8 20 0 6-8 12-8 20 0M346 182c7-7 12-7 17 0 5-7 10-7 17 0" />
      </g>
    </svg>
  );
}
