// Line icons on a 24-pixel grid. They are always beside words or inside a
// control that has a label, so they are hidden from screen readers.

const paths = {
  add: "M12 5v14M5 12h14",
  alert: "M12 8v5M12 16.500v.01M10.300 4.200 2.600 17.500A2 2 0 0 0 4.300 20.500h15.400a2 2 0 0 0 1.700-3L13.700 4.200a2 2 0 0 0-3.400 0z",
  back: "M19 12H5M11 6l-6 6 6 6",
  bolt: "M13 3 5 13.500h6L10 21l8-10.500h-6L13 3z",
  check: "M5 12.500 10 17.500 19 7",
  chevron: "M6 9l6 6 6-6",
  close: "M6 6l12 12M18 6 6 18",
  copy: "M9 9h10v11H9zM5 15V4h10",
  dice: "M4.500 4.500h15v15h-15zM9 9v.01M15 15v.01M15 9v.01M9 15v.01M12 12v.01",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  edit: "M4 20h4L19 9l-4-4L4 16v4zM13 7l4 4",
  film: "M3.500 5h17v14h-17zM8 5v14M16 5v14M3.500 9.700H8M3.500 14.300H8M16 9.700h4.500M16 14.300h4.500",
  frame: "M5 4h14v16H5zM9 8h6M9 12h6M9 16h3",
  heart: "M12 20s-7.500-4.600-7.500-10A4.200 4.200 0 0 1 12 7.400 4.200 4.200 0 0 1 19.500 10c0 5.400-7.500 10-7.500 10z",
  image: "M4 5h16v14H4zM4 16l5-5 4 4 2.500-2.500L20 17M15.500 9v.01",
  info: "M12 11v6M12 7.500v.01M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18z",
  library: "M4 4h7v9H4zM13 4h7v5h-7zM13 11h7v9h-7zM4 15h7v5H4z",
  link: "M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.700-5.700l-1.500 1.500M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.700 5.700l1.500-1.500",
  lock: "M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 0 1 7 0v3",
  next: "M9 5l7 7-7 7",
  play: "M8 5.500v13l11-6.500-11-6.500z",
  previous: "M15 5l-7 7 7 7",
  remix: "M4 8h11l-3-3M20 16H9l3 3",
  reset: "M4.500 12a7.500 7.500 0 1 0 2.300-5.400L4.500 9M4.500 4.500V9H9",
  restore: "M4 7h11a5 5 0 0 1 0 10H8M8 3 4 7l4 4",
  search: "M10.500 17a6.500 6.500 0 1 0 0-13 6.500 6.500 0 0 0 0 13zM20 20l-4.800-4.800",
  share: "M12 15V4M8 8l4-4 4 4M5 13v7h14v-7",
  sliders: "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4",
  spark: "M12 3l1.900 6.100L20 11l-6.100 1.900L12 19l-1.900-6.100L4 11l6.100-1.900L12 3zM19 17v4M17 19h4",
  trash: "M5 7h14M9.500 7V4h5v3M7 7l1 13h8l1-13M10.500 11v5M13.500 11v5",
  unlock: "M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 0 1 6.700-1.400",
  wand: "M5 19 15 9M13.500 4v3M12 5.500h3M19 9v3M17.500 10.500h3M18 3.500v2M17 4.500h2",
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, filled = false }: { name: IconName; filled?: boolean }) {
  return (
    <svg class={filled ? "icon icon-filled" : "icon"} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={paths[name]} />
    </svg>
  );
}

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <circle cx="16" cy="16" r="12.500" />
      <path d="M16 3.500 23 16M28.500 16 14.500 16.300M22.300 26.800 15 14.500M9.700 26.800 17.500 15M3.500 16h13M9.700 5.200 16.500 17" />
    </svg>
  );
}
