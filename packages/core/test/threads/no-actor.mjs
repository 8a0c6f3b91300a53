/** A module that exports something else. */
export default { receive: () => 'not made by defineActor' };
