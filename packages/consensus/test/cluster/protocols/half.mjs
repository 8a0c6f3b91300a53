/** A module with a part of a protocol: it could be begun, and no epoch could be founded with it. */
export default { start: () => ({}), step: () => undefined };
