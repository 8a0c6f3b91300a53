/**
 * HTML in which nothing that was interpolated can be anything but text.
 *
 * Node names, option values and command lines come from outside. A string becomes part of the page only
 * through {@link html}, which escapes it; what is markup already carries the type {@link Html}.
 */
declare const markup: unique symbol;

/** Markup, as {@link html} made it. */
export interface Html {
  readonly [markup]: true;
  readonly text: string;
}

export type Interpolated = string | number | Html | readonly Html[];

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeText(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? character);
}

/** Text that is known to be markup; for the files of this folder only. */
export function trustedMarkup(text: string): Html {
  return { text } as Html;
}

function markupOf(value: Interpolated): string {
  if (typeof value === 'string') return escapeText(value);
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value)) return value.map(({ text }: Html) => text).join('');
  return (value as Html).text;
}

export function html(fixed: TemplateStringsArray, ...values: readonly Interpolated[]): Html {
  const parts = values.map((value, at) => `${markupOf(value)}${fixed[at + 1] ?? ''}`);
  return trustedMarkup(`${fixed[0] ?? ''}${parts.join('')}`);
}

/** JSON that may stand inside a `script` element: it can neither end it nor open a comment. */
export function jsonForScript(value: unknown): Html {
  const json = JSON.stringify(value).replaceAll(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return trustedMarkup(json);
}
