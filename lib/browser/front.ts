/** The script of the front page and of cards. */
import { enableCopying } from "./copy.ts";

enableCopying();
