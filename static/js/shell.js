// Everything that runs on every page. Each module binds itself to data- attributes once.
import "ck/ime";
import "ck/live";
import "ck/forms";
import "ck/dialogs";
import "ck/confirm";
import "ck/toast";
import "ck/panel";
import "ck/palette";
import "ck/keyboard";
import "ck/rows";
import "ck/calendar";
import "ck/poll";
